"""Who gets a place among the HTTP connections."""

from ipaddress import ip_network

import pytest

from actors.runtime.logs import RateLimitedLog, get_logger
from actors.web.http.admission import NO_PROXIES, OPERATOR_RESERVE, ConnectionAdmission, Place
from protocol.access.client_address import ClientAddress, TrustedProxies

HERE, THERE, ELSEWHERE = "127.0.0.1", "192.0.2.1", "192.0.2.2"


class Door:
    """An admission, and the names of the connections that it has evicted."""

    def __init__(self, limit: int, per_client: int = 1000, proxies: TrustedProxies = NO_PROXIES) -> None:
        log = RateLimitedLog(get_logger("test"), clock=lambda: 0.0)
        self.admission = ConnectionAdmission(limit=limit, per_client=per_client, log=log, proxies=proxies)
        self.evicted: list[str] = []

    def admit(self, name: str, address: str = HERE) -> Place | None:
        return self.admission.admit(ClientAddress(address=address), lambda: self.evicted.append(name))

    def enter(self, name: str, address: str = HERE) -> Place:
        place = self.admit(name, address)
        assert place is not None
        return place


def test_the_one_that_waits_longest_goes() -> None:
    door = Door(3)
    first, _, _ = (door.enter(name) for name in "abc")
    first.works()
    first.waits()
    door.enter("d")
    door.enter("e")
    assert door.evicted == ["b", "c"]
    assert len(door.admission) == 3


def test_waiting_on_gives_no_younger_age() -> None:
    door = Door(2)
    first, _ = door.enter("a"), door.enter("b")
    first.waits()
    door.enter("c")
    assert door.evicted == ["a"]


def test_who_is_served_is_safe_and_then_nobody_comes_in() -> None:
    door = Door(2)
    places = [door.enter("a"), door.enter("b")]
    for place in places:
        place.works()
    assert door.admit("c") is None
    places[0].leave()
    places[0].leave()
    assert door.admit("d") is not None
    assert door.evicted == []


def test_a_client_beyond_its_share_evicts_its_own() -> None:
    door = Door(10, per_client=2)
    door.enter("other", ELSEWHERE)
    for name in "abc":
        door.enter(name, THERE)
    assert door.evicted == ["a"]
    one = Door(10, per_client=1)
    one.enter("a")
    one.enter("b")
    assert one.evicted == ["a"]


def test_strangers_leave_the_operator_room_and_never_evict_him() -> None:
    limit = OPERATOR_RESERVE * 10
    door = Door(limit)
    operator = door.enter("operator")
    for number in range(limit):
        door.enter(str(number), THERE).works()
        if len(door.admission) == limit - OPERATOR_RESERVE:
            break
    assert door.admit("one more", THERE) is None
    for number in range(OPERATOR_RESERVE):
        door.enter(f"own {number}").works()
    assert door.evicted == []
    operator.leave()


def test_a_local_newcomer_evicts_strangers_first() -> None:
    door = Door(3)
    door.enter("own")
    door.enter("stranger", THERE)
    door.enter("own too")
    door.enter("new")
    assert door.evicted == ["stranger"]


def test_nothing_is_kept_of_clients_that_have_gone() -> None:
    door = Door(10)
    for number in range(5):
        door.enter("a", f"192.0.2.{number}").leave()
    assert len(door.admission) == 0
    assert door.admission._clients == {}


@pytest.mark.parametrize("limit", [1, 2, 9])
def test_few_places_have_no_reserve(limit: int) -> None:
    door = Door(limit)
    for _ in range(limit):
        door.enter("a", THERE).works()
    assert len(door.admission) == limit


# -- behind a proxy ----------------------------------------------------------------------------------------------------

PROXY = "10.0.0.1"
BEHIND_PROXY = TrustedProxies((ip_network(PROXY), ip_network("127.0.0.1")))


def test_a_proxys_connections_count_for_the_clients_that_they_serve() -> None:
    door = Door(100, per_client=2, proxies=BEHIND_PROXY)
    first, second, third, fourth = (door.enter(name, PROXY) for name in "abcd")
    for place in (first, second, third):
        place.works()
    assert first.serve(THERE)
    assert second.serve(THERE)
    assert not third.serve(THERE)
    assert third.serve(ELSEWHERE)
    first.serve(None)
    assert fourth.serve(THERE)
    assert door.evicted == []


def test_a_client_behind_a_proxy_loses_its_own_waiting_connection_and_nobody_elses() -> None:
    door = Door(100, per_client=1, proxies=BEHIND_PROXY)
    door.enter("idle one of somebody else", PROXY)
    first, second = door.enter("first", PROXY), door.enter("second", PROXY)
    assert first.serve(THERE)
    assert second.serve(THERE)
    assert door.evicted == ["first"]


def test_places_of_a_proxy_are_given_up_whomever_they_serve() -> None:
    door = Door(100, per_client=1, proxies=BEHIND_PROXY)
    place = door.enter("a", PROXY)
    place.serve(THERE)
    place.leave()
    place.leave()
    assert place.serve(THERE)
    assert len(door.admission) == 0
    assert door.enter("b", PROXY).serve(THERE)


def test_a_proxy_on_this_machine_has_no_reserved_place() -> None:
    door = Door(100, proxies=BEHIND_PROXY)
    for number in range(100 - OPERATOR_RESERVE):
        door.enter(str(number), THERE).works()
    assert door.admit("proxy", HERE) is None
    assert door.admit("operator", "127.0.0.2") is not None

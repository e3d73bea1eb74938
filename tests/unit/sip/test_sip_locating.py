"""Which servers a domain has for SIP by its records (RFC 3263, RFC 2782)."""

from collections import Counter
from random import Random

import pytest

from protocol.sip.accounts.locating import (
    MAX_SERVERS,
    NaptrRecord,
    ServerPlace,
    SrvRecord,
    ordered,
    place_without_records,
    places,
    services_of,
)


def srv(target: str, priority: int = 0, weight: int = 0, port: int = 5060) -> SrvRecord:
    return SrvRecord(priority=priority, weight=weight, port=port, target=target)


def naptr(service: str, order: int, preference: int = 0, flags: str = "s") -> NaptrRecord:
    name = {"SIPS+D2T": "_sips._tcp", "SIP+D2T": "_sip._tcp"}.get(service, "_sip._udp")
    return NaptrRecord(
        order=order, preference=preference, flags=flags, service=service, replacement=f"{name}.example.com."
    )


def test_a_domain_says_which_transports_it_prefers() -> None:
    rfc = [naptr("SIP+D2U", 100, 50), naptr("SIPS+D2T", 50, 50), naptr("SIP+D2T", 90, 50)]
    assert services_of("example.com", None, rfc) == [
        ("tls", "_sips._tcp.example.com"),
        ("tcp", "_sip._tcp.example.com"),
        ("udp", "_sip._udp.example.com"),
    ]
    assert services_of("example.com", "tcp", rfc) == [("tcp", "_sip._tcp.example.com")]


def test_what_is_no_service_of_sip_is_left_out() -> None:
    others = [naptr("E2U+sip", 1, flags="u"), naptr("SIP+D2S", 2), naptr("sip+d2t", 3, flags="S")]
    assert [transport for transport, _ in services_of("example.com", None, others)] == ["tcp"]


def test_a_domain_without_a_preference_is_asked_for_each_transport() -> None:
    assert services_of("example.com", None, []) == [
        ("udp", "_sip._udp.example.com"),
        ("tcp", "_sip._tcp.example.com"),
        ("tls", "_sips._tcp.example.com"),
    ]


def test_lower_priorities_come_first() -> None:
    found = ordered([srv("c", 20), srv("a", 5), srv("b", 10)], Random(1).uniform)
    assert [each.target for each in found] == ["a", "b", "c"]


def test_servers_of_one_priority_share_by_weight() -> None:
    uniform = Random(7).uniform
    firsts = Counter(ordered([srv("big", weight=90), srv("small", weight=10)], uniform)[0].target for _ in range(500))
    assert 410 < firsts["big"] < 490
    assert {each.target for each in ordered([srv("x"), srv("y")], uniform)} == {"x", "y"}


def test_servers_of_the_first_transport_come_first() -> None:
    assert places([("tls", [srv("A.example.com.", port=5061)]), ("udp", [srv("b.example.com.")])]) == [
        ServerPlace(transport="tls", host="a.example.com", port=5061),
        ServerPlace(transport="udp", host="b.example.com", port=5060),
    ]


def test_no_server_at_all_and_more_than_anybody_needs() -> None:
    assert places([("udp", [srv("."), srv("a.", port=0)])]) == []
    assert len(places([("udp", [srv(f"s{number}.") for number in range(50)])])) == MAX_SERVERS


@pytest.mark.parametrize(
    ("port", "transport", "found"),
    [
        (None, None, ("udp", 5060)),
        (None, "tcp", ("tcp", 5060)),
        (None, "tls", ("tls", 5061)),
        (5070, "tls", ("tls", 5070)),
        (5070, None, ("udp", 5070)),
    ],
)
def test_a_domain_without_records(port: int | None, transport: str | None, found: tuple[str, int]) -> None:
    place = place_without_records("example.com", port, transport)
    assert (place.transport, place.port) == found

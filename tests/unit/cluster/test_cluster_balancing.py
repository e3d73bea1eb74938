"""Which node a page is sent to."""

import random
from collections import Counter

from protocol.cluster.balancing import Balancer, placement
from protocol.cluster.members import Member, MemberInfo


def member(name: str, load: float = 0.0, state: str = "serving", host: str = "10.0.0.1") -> Member:
    return Member(name=name, info=MemberInfo(node_id=name, load=load, state=state, host=host, ws=80, wss=443))


def chosen(members: list[Member], times: int = 1000, holder: str | None = None) -> Counter[str]:
    balancer = Balancer(random.Random(1))
    counts: Counter[str] = Counter()
    for _ in range(times):
        balancer.beaten()
        each = balancer.choose(members, holder=holder)
        counts[each.name if each is not None else "none"] += 1
    return counts


def test_the_busiest_gets_nothing_and_no_single_one_gets_all() -> None:
    counts = chosen([member("a", 0.1), member("b", 0.2), member("c", 0.9)])
    assert counts["c"] == 0
    assert counts["a"] > counts["b"] > 200


def test_between_two_beats_those_that_were_sent_count() -> None:
    balancer = Balancer(random.Random(1))
    members = [member("a"), member("b")]
    counts = Counter(each.name for _ in range(100) if (each := balancer.choose(members)) is not None)
    assert counts == {"a": 50, "b": 50}


def test_who_drains_or_cannot_be_reached_gets_nothing() -> None:
    assert chosen([member("a", state="draining"), member("b", host=""), member("c", 0.9)]) == {"c": 1000}
    assert chosen([member("a", state="draining")]) == {"none": 1000}


def test_a_player_goes_to_its_stream() -> None:
    members = [member("a"), member("b", 0.9)]
    assert chosen(members, holder="b") == {"b": 1000}
    assert "a" in chosen(members, holder="gone")


def test_it_is_told_as_the_sdk_reads_it() -> None:
    assert placement(member("a")) == {"server": "10.0.0.1", "ws": "80", "wss": "443", "flash": ""}
    assert placement(member("a", host="::1"))["server"] == "[::1]"

"""Where SIP servers are: what DNS says, for how long, and what becomes of servers that have failed."""

import random
from collections.abc import Sequence

import pytest
import trio

from actors.calls.sip import access as access_module
from actors.calls.sip.access import MAX_HOPS, REMEMBERED, SipAccess, SipForbidden, SipUnreachable
from actors.calls.sip.dns_records import ServerRecords
from actors.net.resolver import CACHE_SECONDS, Resolver
from protocol.sip.accounts.locating import ServerPlace, SrvRecord
from protocol.sip.accounts.servers import read_servers
from protocol.sip.transactions.machines import Hop
from tests.support.calls.dns_records import MemoryRecords


def srv(target: str, priority: int, port: int = 5060) -> SrvRecord:
    return SrvRecord(priority=priority, weight=0, port=port, target=target)


TWO = {"_sip._udp.pbx.example": [srv("a.pbx.example.", 1), srv("b.pbx.example.", 2, 5070)]}
ADDRESSES = {
    "a.pbx.example": ("192.0.2.1",),
    "b.pbx.example": ("192.0.2.2", "192.0.2.3"),
    "pbx.example": ("192.0.2.9",),
    "here.pbx.example": ("127.0.0.1",),
}


def look_up(host: str) -> tuple[str, ...]:
    return ADDRESSES.get(host, ())


def access(records: MemoryRecords, servers: str = "pbx.example") -> SipAccess:
    made = read_servers(servers)
    return SipAccess(
        made, own=tuple, resolver=Resolver(look_up), records=ServerRecords(records, random.Random(1).uniform)
    )


def shown(hops: Sequence[Hop]) -> list[tuple[str, str, int]]:
    return [(hop.transport, hop.host, hop.port) for hop in hops]


async def test_all_servers_of_a_domain_are_known_in_their_order() -> None:
    found = await access(MemoryRecords(TWO)).hops("pbx.example")
    assert shown(found) == [("udp", "192.0.2.1", 5060), ("udp", "192.0.2.2", 5070), ("udp", "192.0.2.3", 5070)]
    assert {hop.name for hop in found} == {"pbx.example"}, "certificates are for the domain"


@pytest.mark.parametrize(
    ("servers", "port", "hop"),
    [
        ("pbx.example:5062", None, ("udp", "192.0.2.9", 5062)),
        ("pbx.example", 5063, ("udp", "192.0.2.9", 5063)),
        ("pbx.example;transport=tls", None, ("tls", "192.0.2.9", 5061)),
    ],
)
async def test_who_names_a_port_does_not_ask(servers: str, port: int | None, hop: tuple[str, str, int]) -> None:
    records = MemoryRecords(TWO)
    assert shown(await access(records, servers).hops("pbx.example", port)) == [hop]
    assert ("_sip._udp.pbx.example" in records.asked) is False


async def test_a_domain_without_records_or_without_answer_is_at_its_own_address() -> None:
    for records in (MemoryRecords(), MemoryRecords(fails=True)):
        assert shown(await access(records).hops("pbx.example")) == [("udp", "192.0.2.9", 5060)]


async def test_calls_from_every_server_of_a_listed_domain_are_let_in() -> None:
    admitting = access(MemoryRecords(TWO))
    assert not admitting.admits("192.0.2.3")
    await admitting.renew()
    assert [admitting.admits(f"192.0.2.{number}") for number in (1, 2, 3, 9)] == [True, True, True, False]


async def test_records_lead_nowhere_that_sip_must_not_go() -> None:
    records = MemoryRecords({"_sip._udp.pbx.example": [srv("here.pbx.example.", 1), srv("gone.pbx.example.", 2)]})
    with pytest.raises(SipUnreachable):
        await access(records).hops("pbx.example")
    with pytest.raises(SipForbidden):
        await access(MemoryRecords({"_sip._udp.pbx.example": [srv("here.pbx.example.", 1)]})).hops("pbx.example")


async def test_what_is_known_is_asked_for_again_when_it_holds_no_more(autojump_clock: object) -> None:
    records = MemoryRecords(TWO, ttl=300)
    known = ServerRecords(records, random.Random(1).uniform)
    for _ in range(3):
        await known.places("pbx.example", "udp")
    assert len(records.asked) == 2
    await trio.sleep(301)
    records.fails = True
    assert len(await known.places("pbx.example", "udp")) == 2, "without an answer, what was known holds on"
    assert len(records.asked) == 3
    records.fails, records.services = False, {}
    await trio.sleep(61)
    assert await known.places("pbx.example", "udp") == []


async def test_many_at_once_ask_once() -> None:
    records = MemoryRecords(TWO)
    known = ServerRecords(records, random.Random(1).uniform)
    found: list[list[ServerPlace]] = []

    async def ask() -> None:
        found.append(await known.places("pbx.example", "udp"))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask)
    assert (len(found), len(records.asked)) == (20, 2)


async def test_a_server_that_has_failed_comes_last_for_a_while(autojump_clock: object) -> None:
    knowing = access(MemoryRecords(TWO))
    first = (await knowing.hops("pbx.example"))[0]
    knowing.ways.note_down(first)
    assert (await knowing.hops("pbx.example"))[-1] == first
    await trio.sleep(121)
    assert (await knowing.hops("pbx.example"))[0] == first


async def test_a_server_that_does_not_take_tcp_is_not_asked_again_for_an_hour(autojump_clock: object) -> None:
    knowing = access(MemoryRecords(), "pbx.example, 192.0.2.7;transport=udp")
    hop = Hop(transport="udp", host="192.0.2.9", port=5060, name="pbx.example")
    assert knowing.takes_tcp(hop)
    assert not knowing.takes_tcp(Hop(transport="udp", host="192.0.2.7", port=5060))
    knowing.ways.note_udp_only(hop)
    assert not knowing.takes_tcp(hop)
    await trio.sleep(3_601)
    assert knowing.takes_tcp(hop)


async def test_a_domain_of_many_servers_is_not_tried_at_all_of_them() -> None:
    many = tuple(f"198.51.100.{number}" for number in range(1, 101))
    crowd = SipAccess(
        read_servers("pbx.example"),
        own=tuple,
        resolver=Resolver(lambda host: many),
        records=ServerRecords(MemoryRecords(), random.Random(1).uniform),
    )
    assert [hop.host for hop in await crowd.hops("pbx.example")] == list(many[:MAX_HOPS])


async def test_names_that_pages_make_up_are_not_all_remembered(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.net.resolver.MAX_KNOWN", 3)
    asked: list[str] = []

    def note(host: str) -> tuple[str, ...]:
        asked.append(host)
        return ("192.0.2.1",)

    resolver = Resolver(note)
    for number in range(20):
        await resolver.resolve(f"{number}.example")
        await trio.sleep(CACHE_SECONDS / 2)
    assert len(resolver._hosts) <= 3
    await resolver.resolve("19.example")
    assert len(asked) == 20, "what is fresh is still known"


async def test_who_was_asked_within_the_last_hour_is_let_in_and_nobody_else(autojump_clock: object) -> None:
    admitting = access(MemoryRecords({}), "*")
    assert not admitting.admits("8.8.8.8")
    admitting.note_use("8.8.8.8")
    await trio.sleep(REMEMBERED - 1)
    assert [admitting.admits(each) for each in ("8.8.8.8", "::ffff:8.8.8.8", "8.8.4.4")] == [True, True, False]
    await trio.sleep(1)
    assert not admitting.admits("8.8.8.8")


async def test_of_all_who_were_asked_not_too_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_module, "MAX_REMEMBERED", 2)
    admitting = access(MemoryRecords({}), "*")
    for number in range(3):
        admitting.note_use(f"8.8.8.{number}")
    assert [admitting.admits(f"8.8.8.{number}") for number in range(3)] == [False, True, True]

"""Questions to DNS about SIP servers, to a name server on loopback."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import trio

from actors.calls.sip.dns_records import DnsLookup, NoDnsAnswer
from protocol.sip.accounts.locating import NaptrRecord, SrvRecord

ZONE = {
    ("_sip._udp.pbx.example.", "SRV"): ["10 5 5070 a.pbx.example.", "20 0 5060 b.pbx.example."],
    ("pbx.example.", "NAPTR"): ['50 60 "s" "SIPS+D2T" "" _sips._tcp.pbx.example.'],
    ("empty.example.", "A"): ["192.0.2.1"],
}


def answer(query: dns.message.Message) -> dns.message.Message:
    (question,) = query.question
    made = dns.message.make_response(query)
    name, kind = question.name.to_text(), question.rdtype.name
    if (name, kind) in ZONE:
        made.answer.append(dns.rrset.from_text(name, 120, "IN", kind, *ZONE[name, kind]))
    elif name == "broken.example.":
        made.set_rcode(dns.rcode.SERVFAIL)
    elif not any(known == name for known, _ in ZONE):
        made.set_rcode(dns.rcode.NXDOMAIN)
    return made


@asynccontextmanager
async def name_server() -> AsyncIterator[DnsLookup]:
    """It knows what is in ZONE."""
    opened = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    await opened.bind(("127.0.0.1", 0))

    async def serve(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        while True:
            data, source = await opened.recvfrom(4096)
            await opened.sendto(answer(dns.message.from_wire(data)).to_wire(), source)

    resolver: Any = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], opened.getsockname()[1]
    with opened:
        async with trio.open_nursery() as nursery:
            await nursery.start(serve)
            yield DnsLookup(resolver)
            nursery.cancel_scope.cancel()


async def test_records_are_read_as_they_are_meant() -> None:
    async with name_server() as lookup:
        servers, ttl = await lookup.srv("_sip._udp.pbx.example")
        assert sorted(servers, key=lambda each: each.priority) == [
            SrvRecord(priority=10, weight=5, port=5070, target="a.pbx.example."),
            SrvRecord(priority=20, weight=0, port=5060, target="b.pbx.example."),
        ]
        assert ttl == 120
        preferences, _ = await lookup.naptr("pbx.example")
        assert list(preferences) == [
            NaptrRecord(order=50, preference=60, flags="s", service="SIPS+D2T", replacement="_sips._tcp.pbx.example.")
        ]


async def test_no_such_name_no_such_record_and_no_answer() -> None:
    async with name_server() as lookup:
        for name in ("nobody.example", "empty.example"):
            assert (await lookup.srv(name))[0] == []
        for name in ("broken.example", "x" * 64 + ".example"):
            with pytest.raises(NoDnsAnswer):
                await lookup.srv(name)

"""Which of several servers by TLS a call goes to: one to which there is a connection, whose end our Contact names."""

import pytest
import trio
from attrs import evolve

from actors.calls.sip.access import SipAccess
from actors.calls.sip.endpoint import SipEndpoint
from actors.calls.sip.line_dialer import SipDialer
from config.settings import Settings
from protocol.sip.accounts.account import make_account
from protocol.sip.accounts.servers import read_servers
from protocol.sip.transactions.machines import Hop
from tests.support.calls.dns_records import NO_RECORDS
from tests.support.calls.sip_registrar import MemoryTransport

FIRST, SECOND, THIRD = (Hop(transport="tls", host=f"192.0.2.{last}", port=5061) for last in (10, 11, 12))
SETTINGS = evolve(Settings(), sip_servers=read_servers("192.0.2.10;transport=tls"))


class OneConnection(MemoryTransport):
    """Only to the second server there can be one; the first refuses."""

    async def ready(self, hop: Hop) -> tuple[str, int] | None:
        return ("192.0.2.1", 40_000) if hop == SECOND else None


class NoAnswer(MemoryTransport):
    """Servers that are not there, and of which nobody says so."""

    async def ready(self, hop: Hop) -> tuple[str, int] | None:
        await trio.sleep_forever()


def endpoint_by(transport: type[MemoryTransport]) -> SipEndpoint:
    return SipEndpoint(5060, SETTINGS, SipAccess(SETTINGS.sip_servers, own=tuple, records=NO_RECORDS), transport)


@pytest.mark.parametrize("hops", [(FIRST, SECOND, THIRD), (SECOND, FIRST, THIRD)])
async def test_the_server_that_a_call_goes_to_is_told_of_its_connection(hops: tuple[Hop, ...]) -> None:
    endpoint = endpoint_by(OneConnection)
    first, *others = await endpoint.reachable_first(hops)
    assert first == SECOND
    assert set(others) == {FIRST, THIRD}
    assert endpoint._locals.contact_at(SECOND) == ("192.0.2.1", 40_000)


async def test_without_any_connection_all_are_tried() -> None:
    endpoint = endpoint_by(OneConnection)
    assert set(await endpoint.reachable_first((FIRST, THIRD))) == {FIRST, THIRD}


async def test_a_connection_that_takes_long_does_not_refuse_the_call(autojump_clock: object) -> None:
    account = make_account(SETTINGS.sip_servers, login="alice", domain="192.0.2.10", password="secret")
    dialer = SipDialer(account, endpoint_by(NoAnswer), SETTINGS)
    route = await dialer.route(dialer.callee("2000"))
    assert [hop.host for hop in route.hops] == ["192.0.2.10"]

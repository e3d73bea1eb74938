"""Registrations of pages on the test clock: refreshes, failures, pauses, limits, and the end."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define, field

from actors.calls.sip.endpoint import SipEndpoint
from actors.calls.sip.phone_line import CallListener, PhoneLine
from actors.calls.sip.registration import Registration
from actors.runtime.actor import StopReason
from config.settings import Settings
from protocol.sip.accounts.account import SipAccount, make_account
from protocol.sip.accounts.account_states import RegistrationDescription, RegistrationState
from protocol.sip.accounts.servers import read_servers
from protocol.sip.events import CallArrived
from protocol.sip.messages.message import RequestMessage
from protocol.sip.transactions.machines import Hop
from tests.support.calls.sip_peer import Holder, plan
from tests.support.calls.sip_registrar import memory_endpoint

END = StopReason(cause="test")


@define(eq=False)
class Owner:
    """What a page would be told."""

    told: list[Any] = field(factory=list)

    def registered(self) -> None:
        self.told.append("registered")

    def registration_failed(self, status: int, reason: str) -> None:
        self.told.append((status, reason))

    def call_arrived(self, event: CallArrived, line: PhoneLine) -> CallListener | int:
        return 480


def account(domain: str = "192.0.2.10") -> SipAccount:
    return make_account(read_servers("192.0.2.10, other.example.com"), login="alice", domain=domain, password="secret")


@asynccontextmanager
async def registering(
    endpoint: SipEndpoint, settings: Settings, owner: Owner, who: SipAccount | None = None
) -> AsyncIterator[Registration]:
    """A registration that runs, and is stopped at the end."""
    actor = Registration(who or account(), owner, endpoint, settings)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        yield actor
        actor.stop(END)


async def test_it_is_refreshed_in_time_and_given_back(autojump_clock: object) -> None:
    owner = Owner()
    async with memory_endpoint() as (endpoint, transport, settings):
        async with registering(endpoint, settings, owner):
            await trio.sleep(3000)
            assert endpoint.registration_count == 1
        await endpoint.drain()
        assert owner.told == ["registered"]
        assert transport.expiries()[-1] == "0"
        times = [at for at, _ in transport.requests[:-1]]
        pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert len(pauses) >= 5
        assert all(0.7 * 600 < pause < 0.9 * 600 for pause in pauses)
        assert {hop.host for hops in transport.kept_alive for hop in hops} == {"192.0.2.10"}


async def test_operators_see_how_it_stands(autojump_clock: object) -> None:
    async with memory_endpoint() as (endpoint, transport, settings):
        transport.answer = lambda request: None
        async with registering(endpoint, settings, Owner()) as actor:
            await trio.sleep(1)
            assert endpoint.accounts.counts() == {RegistrationState.REGISTERING: 1}
            await trio.sleep(40)
            failed = RegistrationDescription(
                account="alice@192.0.2.10",
                server="192.0.2.10",
                state=RegistrationState.FAILED,
                status=408,
                why="no answer",
            )
            assert list(endpoint.accounts) == [failed]
            transport.answer = lambda request: 200
            await trio.sleep(100)
            assert [each.shown()["why"] for each in endpoint.accounts] == [None]
            assert actor.is_registered
        assert endpoint.accounts.counts() == {}
        assert transport.counts.registrations_failed == 1


async def test_a_server_that_knows_only_md5_is_told_of_once(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(request: RequestMessage) -> Any:
        challenge = ("WWW-Authenticate", 'Digest realm="r", nonce="n"')
        return 200 if request.headers.has("Authorization") else (401, (challenge,))

    async with memory_endpoint() as (endpoint, transport, settings):
        transport.answer = answer
        async with registering(endpoint, settings, Owner()):
            await trio.sleep(2_000)
    warned = [record for record in caplog.records if "no digest but MD5" in record.getMessage()]
    assert len(transport.requests) > 4
    assert len(warned) == 1


async def test_the_servers_time_counts(autojump_clock: object) -> None:
    async with memory_endpoint() as (endpoint, transport, settings):
        transport.answer = lambda request: (200, (("Expires", "60"),))
        async with registering(endpoint, settings, Owner()):
            await trio.sleep(600)
        assert 11 <= len(transport.requests) <= 15


async def test_a_failure_is_told_and_tried_again_with_pauses(autojump_clock: object) -> None:
    owner = Owner()
    async with memory_endpoint() as (endpoint, transport, settings):
        transport.answer = lambda request: 500
        async with registering(endpoint, settings, owner):
            await trio.sleep(1000)
            times = [at for at, _ in transport.requests]
            pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
            assert all(
                base * 0.9 <= pause <= base * 1.1 for base, pause in zip((30, 60, 120, 240), pauses, strict=False)
            )
            assert owner.told == [(500, "so")] * len(times)
            transport.answer = lambda request: 200
            await trio.sleep(400)
        assert owner.told[-1] == "registered"


async def test_a_server_that_says_when_to_come_back_is_heeded(autojump_clock: object) -> None:
    async with memory_endpoint() as (endpoint, transport, settings):
        transport.answer = lambda request: (503, (("Retry-After", "1000"),))
        async with registering(endpoint, settings, Owner()):
            await trio.sleep(890)
        assert len(transport.requests) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_wrong_password_is_not_tried_again(status: int, autojump_clock: object) -> None:
    owner = Owner()

    def answer(request: RequestMessage) -> Any:
        return (status, (("WWW-Authenticate", 'Digest realm="r", nonce="n"'),))

    async with memory_endpoint() as (endpoint, transport, settings):
        transport.answer = answer
        async with registering(endpoint, settings, owner):
            await trio.sleep(10_000)
        assert len(transport.requests) == (2 if status == 401 else 1)
        assert [told[0] for told in owner.told] == [status]


async def test_a_silent_server_is_a_failure(autojump_clock: object) -> None:
    owner = Owner()
    async with memory_endpoint() as (endpoint, transport, settings):
        transport.answer = lambda request: None
        async with registering(endpoint, settings, owner):
            await trio.sleep(40)
        assert owner.told == [(408, "no answer")]


async def test_limits_and_servers_that_are_not_listed_are_told_by_their_settings(autojump_clock: object) -> None:
    owner = Owner()
    async with (
        memory_endpoint(sip_max_registrations=1) as (endpoint, _, settings),
        registering(endpoint, settings, owner, account("other.example.com")),
    ):
        await trio.sleep(1)
        assert owner.told.pop() == (403, "other.example.com is no SIP server of this machine (sip.servers)")
        async with registering(endpoint, settings, Owner()):
            await trio.sleep(1)
            async with registering(endpoint, settings, owner):
                await trio.sleep(1)
                assert owner.told == [(503, "more than 1 registrations (sip.max_registrations)")]
            assert endpoint.registration_count == 1


async def test_many_ends_are_paced(autojump_clock: object) -> None:
    async with memory_endpoint() as (endpoint, transport, settings):
        async with trio.open_nursery() as nursery:
            actors = [Registration(account(), Owner(), endpoint, settings) for _ in range(100)]
            for actor in actors:
                nursery.start_soon(actor.run)
            await trio.sleep(1)
            for actor in actors:
                actor.stop(END)
        await endpoint.drain()
        times = [at for at, request in transport.requests if request.headers.get("Expires") == "0"]
        assert len(times) == 100
        assert 0.3 <= times[-1] - times[0] <= 0.6


async def test_a_registration_that_stops_while_its_server_is_looked_up_leaves_nothing(autojump_clock: object) -> None:
    async with memory_endpoint() as (endpoint, transport, settings):
        actor = Registration(account(), Owner(), endpoint, settings)
        actor.stop(END)
        await actor.run()
        assert (transport.requests, endpoint.registration_count) == ([], 0)


async def test_a_lost_connection_of_tls_has_its_registrations_made_again_and_none_too_often(
    autojump_clock: object,
) -> None:
    tls, tcp = (Hop(transport=kind, host="192.0.2.10", port=5061) for kind in ("tls", "tcp"))
    async with memory_endpoint() as (endpoint, transport, _):
        for hop in (tls, tcp):
            endpoint.register(plan(hop), None, Holder())
        await trio.sleep(1)
        transport.requests.clear()
        for _ in range(3):
            for hop in (tls, tcp):
                transport.on_lost(hop)
            await trio.sleep(1)
        assert [at for at, _ in transport.requests] == [1]
        await trio.sleep(60)
        assert [round(at) for at, _ in transport.requests] == [1, 31]
        assert {request.headers.get("Via").split()[0] for _, request in transport.requests} == {"SIP/2.0/TLS"}

"""Hundreds of calls, made and ended in every way there is, leave no task, dialog, port or row of a table behind.

Server, pages and phone run in one process, so all must be clean. Real DTLS and SRTP is in those that are talked in.
"""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, field

from actors.calls.sip import transport as transport_module
from actors.calls.sip.endpoint import SipEndpoint
from protocol.sip import message_router
from protocol.sip.events import CallAcknowledged, CallArrived, CallEnded
from protocol.sip.transactions.machines import TIMEOUT
from protocol.sip.user_agent import UserAgent
from protocol.webrtc.dtls import DtlsContext
from tests.support.calls.page_call import ACCOUNT, PageCall, call, world
from tests.support.calls.sip_phone import SipPhone
from tests.support.leak_marks import Mark, assert_nothing_left, fill_history, spans
from tests.support.media.media_rig import until
from tests.support.servers.full_server import FullServer
from tests.support.session.wcs_client import WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

MARKS = (120, 280, 440)
"""After so many calls the process is looked at: twelve and more of each way lie between the last two."""
MOST = 8
"""Objects of one class that may be more then. Where nothing is left behind there are two or three."""
PAGES = 4
CALLS_PER_PAGE = 10
CAP = 300.0
"""Seconds; only to end a test that hangs."""
SETTINGS: dict[str, Any] = {
    "sip_max_calls_per_minute": 1_000_000,
    "sip_max_minutes_per_day": 0,
    "sip_max_calls_per_session": CALLS_PER_PAGE,
}


@define(eq=False)
class World:
    """All that takes part. The phone does with a call what the callee's name says."""

    server: FullServer
    phone: SipPhone
    context: DtlsContext = field(factory=DtlsContext.create)
    rest: trio.Lock = field(factory=trio.Lock)
    numbers: Iterator[int] = field(factory=lambda: iter(range(1_000_000)))
    over: dict[str, trio.Event] = field(factory=dict)
    """Of calls that the phone makes, by their ids."""

    @property
    def endpoint(self) -> SipEndpoint:
        desk = self.server.server.parts.sessions.calls
        assert desk is not None
        return desk._endpoint

    async def run_phone(self) -> None:
        leaving = set()
        while True:
            match await self.phone.next_event():
                case CallArrived() as event:
                    self.phone.call = event.call
                    self._take(event)
                    if event.callee.user == "leaves":
                        leaving.add(event.call)
                case CallAcknowledged() as event if event.call in leaving:
                    leaving.remove(event.call)
                    self.phone.call = event.call
                    self.phone.hang_up()
                case CallEnded() as event if event.call in self.over:
                    self.over[event.call].set()

    async def ends_at_the_phone(self, call: str) -> None:
        """Wait for it."""
        await self.over[call].wait()
        del self.over[call]

    def _take(self, event: CallArrived) -> None:
        match event.callee.user:
            case "busy":
                self.phone.refuse(486)
            case "rings":
                self.phone.does("ring")
            case _:
                self.phone.hear(event.offer)
                self.phone.does("answer", self.phone.description(event.offer))

    def peer(self) -> MediaPeer:
        return MediaPeer(g711=True, video=None, context=self.context)

    async def order(self, path: str, **body: Any) -> None:
        async with self.rest:
            assert (await self.server.rest.post(f"/rest-api/{path}", json=body)).is_success


Way = Callable[[World, WcsClient, str], Awaitable[None]]


async def the_page_hangs_up(world: World, client: WcsClient, login: str) -> None:
    made = await call(client, "talks", peer=world.peer())
    await made.connect()
    await made.status("talk", "ESTABLISHED")
    await made.command("hangup")
    await made.status("finish", "FINISH")


async def the_phone_hangs_up(world: World, client: WcsClient, login: str) -> None:
    made = await call(client, "leaves", peer=world.peer())
    await made.status("finish", "FINISH")


async def nobody_is_there(world: World, client: WcsClient, login: str) -> None:
    await (await call(client, "busy", peer=world.peer())).status("finish", "BUSY")


async def it_is_given_up(world: World, client: WcsClient, login: str) -> None:
    made = await call(client, "rings", peer=world.peer())
    await made.status("ring", "RING")
    await made.command("hangup")
    await made.status("finish", "FINISH")


async def it_is_not_allowed(world: World, client: WcsClient, login: str) -> None:
    await (await call(client, "+4930123456", peer=world.peer())).status("finish", "FAILED")


async def an_operator_ends_it(world: World, client: WcsClient, login: str) -> None:
    made = await call(client, "talks", peer=world.peer())
    await made.status("talk", "ESTABLISHED")
    await world.order("call/terminate", callId=made.id)
    await made.status("finish", "FINISH")


async def is_called(world: World, client: WcsClient, login: str) -> tuple[PageCall, str]:
    """The phone calls the page; the call, and what the phone calls it."""
    client.frames.clear()
    contact = next(each for each in reversed(world.phone.registered) if f"sip:{login}@" in each)
    world.phone.dials(contact, offer=world.phone.description())
    theirs = world.phone.call
    world.over[theirs] = trio.Event()
    incoming = await client.receive("notifyIncomingCall")
    made = PageCall(client, incoming["callId"], world.peer())
    client.peers.append(made.peer)
    return made, theirs


async def the_page_answers_and_hangs_up(world: World, client: WcsClient, login: str) -> None:
    made, theirs = await is_called(world, client, login)
    (offer,) = client.of("setRemoteSDP", mediaSessionId=made.id)
    await made.command("answer", sdp=made.peer.call_answer(offer["sdp"]), incoming=True)
    await made.status("talk", "ESTABLISHED")
    await made.go()
    await made.command("hangup")
    await world.ends_at_the_phone(theirs)


async def the_page_declines(world: World, client: WcsClient, login: str) -> None:
    made, theirs = await is_called(world, client, login)
    await made.command("hangup")
    await world.ends_at_the_phone(theirs)


async def the_caller_gives_up(world: World, client: WcsClient, login: str) -> None:
    made, theirs = await is_called(world, client, login)
    await made.status("ring", "RING")
    del world.over[theirs]
    world.phone.call = theirs
    world.phone.hang_up()
    await made.status("finish", "FINISH")


async def a_stream_of_it_is_ended(world: World, client: WcsClient, login: str) -> None:
    name = f"line-{next(world.numbers)}"
    made = await call(client, "talks", peer=world.peer(), toStream=name)
    await made.status("talk", "ESTABLISHED")
    await world.order("stream/terminate", name=name)
    await made.status("finish", "FINISH")


WAYS: tuple[Way, ...] = (
    the_page_hangs_up,
    the_phone_hangs_up,
    nobody_is_there,
    it_is_given_up,
    it_is_not_allowed,
    an_operator_ends_it,
    the_page_answers_and_hangs_up,
    the_page_declines,
    the_caller_gives_up,
    a_stream_of_it_is_ended,
)


async def test_hundreds_of_calls_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL", logger="wcsd")  # lines that are kept would count as left behind
    monkeypatch.setattr(transport_module, "MESSAGE_BURST", 1e9)
    monkeypatch.setattr(message_router, "MAX_TRANSACTIONS", 1_000_000)
    with trio.fail_after(CAP):
        async with world(tmp_path, **SETTINGS) as (server, phone), trio.open_nursery() as nursery:
            shared = World(server, phone)
            nursery.start_soon(shared.run_phone)
            fill_history(server.server.events)
            marks = [await mark_after(shared, calls) for calls in spans(MARKS)]
            nursery.cancel_scope.cancel()
    assert_nothing_left(*marks, most=MOST)


async def mark_after(shared: World, calls: int) -> Mark:
    """Look at the process after so many more calls."""
    async with trio.open_nursery() as nursery:
        for number in range(PAGES):
            nursery.start_soon(work, shared, f"page{number}", calls // PAGES)
    await shared.server.until_idle()
    await shared.endpoint.drain()
    desk = shared.server.server.parts.sessions.calls
    assert desk is not None
    await until(lambda: not shared.server.server.parts.supervisor.count_actors()["call"])
    assert (len(desk.services.table), desk.services.limits.running, shared.endpoint.call_count) == (0, 0, 0)
    assert (shared.endpoint.registration_count, shared.over) == (0, {})
    agents = (shared.endpoint._agent, shared.phone.agent)
    for agent in agents:
        await until(partial(is_done, agent))
    await trio.testing.wait_all_tasks_blocked(0.05)  # the last ACK has been read
    for agent in agents:
        is_empty_after_a_while(agent)
    return Mark.take()


def is_done(agent: UserAgent) -> bool:
    """No call is left, and nothing waits for an answer."""
    return not agent.call_count and not agent.unanswered_count


def is_empty_after_a_while(agent: UserAgent) -> None:
    """Transactions stay for half a minute, to answer what comes again; nothing but they does."""
    agent.on_time(trio.current_time() + 2 * TIMEOUT)
    assert (agent.outbound(), agent.events()) == ([], [])
    assert (agent.transaction_count, agent._calls.dialog_count) == (0, 0)


async def work(shared: World, login: str, calls: int) -> None:
    """Pages one after the other; the end of each ends its last call."""
    ways = cycle(WAYS)
    account = ACCOUNT | {"sipLogin": login, "sipRegisterRequired": True}
    for _ in range(calls // CALLS_PER_PAGE):
        async with wcs_client(shared.server.ws_url(), **account) as client:
            await client.receive("registered", sipLogin=login)
            for _ in range(CALLS_PER_PAGE - 1):
                await next(ways)(shared, client, login)
            await (await call(client, "talks", peer=shared.peer())).status("talk", "ESTABLISHED")

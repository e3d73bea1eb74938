"""Terminates in slices, among everything else that may happen between two slices.

Hypothesis writes a script: streams come and go, clients leave, media flows, terminates run, the server shuts down,
each after a number of passes of the event loop. The slices are as small as can be, so a script of a few steps has
hundreds of moments. Real sessions, streams, hooks and supervisor play it; only sockets and media are made up.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.media.events import Failed
from actors.node import termination
from actors.node.control import LocalNode
from actors.node.supervisor import Supervisor
from actors.runtime.actor import SHUTDOWN, StopReason
from actors.session import Session
from actors.stream import PlayedStream, PublishedStream, Stream
from actors.stream.end_reasons import PUBLISHER_STOP
from protocol.node.filters import ConnectionFilter, StreamFilter
from protocol.stream.info_texts import StreamInfo
from tests.support.media.fake_plane import FakeMedia
from tests.support.session.memory_socket import MemorySocket
from tests.support.session.signaling_rig import SignalingRig, signaling_rig, stream_request

NAMES = ("a", "b", "c")
CLIENTS = 3
FILTERS = (
    StreamFilter(),
    StreamFilter(name="a"),
    StreamFilter(published=True),
    StreamFilter(published=False),
    StreamFilter(name="b", status="PLAYING"),
    StreamFilter(status="PUBLISHING"),
    StreamFilter(media_session_ids=frozenset({"p0", "v0", "v3", "v5", "x1"})),
    StreamFilter(app_key="defaultApp", has_video=True),
)
END = ("FAILED", "STOPPED", "UNPUBLISHED")


@frozen(kw_only=True)
class Small:
    """What fits into one pass and into one slice."""

    at_once: int
    cut_at_once: int
    slice_cost: int


@define
class Terminate:
    """One request, and who was there."""

    reason: StopReason
    present: list[Stream] = field(factory=list)
    scope: trio.CancelScope = field(factory=trio.CancelScope)


@define(eq=False)
class World:
    """The rig, and what has happened in it."""

    rig: SignalingRig
    nursery: trio.Nursery
    streams: list[Stream]
    """All that have ever begun; the supervisor's `adopt_stream` adds them."""
    clients: list[tuple[MemorySocket, Session]] = field(factory=list)
    left: set[int] = field(factory=set)
    terminates: list[Terminate] = field(factory=list)
    numbers: Counter[str] = field(factory=Counter)
    gate: trio.Event | None = None
    """What the backend waits for before it lets a stream begin."""

    # -- what happens ------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Two publications with players, one publication without."""
        self.rig.backend.waits = dict.fromkeys(("publishStream", "playStream"), lambda body: self.gate)
        for _ in range(CLIENTS):
            self.clients.append(await self.rig.connect())
        for number, name in enumerate(NAMES):
            self.publish(number, name)
        await trio.testing.wait_all_tasks_blocked()
        for number, name in enumerate("aaabb"):
            self.play(number % CLIENTS, name)
        await trio.testing.wait_all_tasks_blocked()
        assert {str(stream.status) for stream in self.streams} == {"PUBLISHING", "PLAYING"}

    def publish(self, client: int, name: str) -> None:
        self._ask(client, "publishStream", name, f"p{self._number('p')}", published=True)

    def play(self, client: int, name: str) -> None:
        self._ask(client, "playStream", name, f"v{self._number('v')}", published=False)

    def unpublish(self, number: int) -> None:
        self._some(number).user_stop()

    def fail(self, number: int) -> None:
        stream = self._some(number)
        if stream._media is not None:
            stream._note(Failed(info=StreamInfo.FAILED_BY_ICE_TIMEOUT))

    def disconnect(self, client: int) -> None:
        self.left.add(client)
        self.clients[client][0].disconnect()

    def terminate(self, query: StreamFilter, patience: float) -> None:
        reason = StopReason(cause=f"t{len(self.terminates)}", info="Stopped by rest /terminate")
        asked = Terminate(reason)
        self.terminates.append(asked)
        self.nursery.start_soon(self._request, asked, query, trio.current_time() + patience)

    def disconnect_by_rest(self, client: int) -> None:
        session = self.clients[client][1]
        self.left.add(client)
        reason = StopReason(cause="rest-connection-terminate")
        self.rig.supervisor.terminate_connections(ConnectionFilter(session_id=session.session_id), reason)

    def leave(self) -> None:
        """The operator's client gives up on the request that it made last."""
        if self.terminates:
            self.terminates[-1].scope.cancel()

    def hold(self) -> None:
        """The backend is slow from now on."""
        if self.gate is None:
            self.gate = trio.Event()

    def answer(self) -> None:
        """The backend answers all it has been asked."""
        if self.gate is not None:
            self.gate.set()
        self.gate = None

    def close(self) -> None:
        self.left.update(range(CLIENTS))
        self.rig.supervisor.close(SHUTDOWN)

    # -- what must hold ----------------------------------------------------------------------------

    def look(self) -> None:
        """Between any two steps."""
        for media in self.rig.plane.playbacks:
            self._send_a_packet(media)
        for stream in self.streams:
            if stream.reason is not None and isinstance(stream, PublishedStream):
                place = self.rig.directory._places.get(stream.name)
                assert place is None or place.holder is None or place.holder.media_session_id != stream.media_session_id

    def look_at_the_end(self) -> None:
        """When nothing is on its way any more."""
        self.look()
        for stream in self.streams:
            by = [asked for asked in self.terminates if stream.reason is asked.reason]
            assert all(stream in asked.present for asked in by), "a stream was stopped that began later"
            if isinstance(stream, PlayedStream) and stream.reason is None:
                broadcast = stream._broadcast
                assert broadcast is None or not broadcast.is_over, "a player has outlived its publication"
        self._count_statuses()

    def _send_a_packet(self, media: FakeMedia) -> None:
        if media.withdrawn or media.closed or media.publication.withdrawn or media.publication.closed:
            return
        receiver: Stream = media.post.__self__  # type: ignore[attr-defined] # `Stream._note`
        assert receiver.reason is None, "a packet has reached a stream that was stopped"

    def _count_statuses(self) -> None:
        ends = Counter(
            body["mediaSessionId"] for body in self.rig.backend.called("StreamStatusEvent") if body["status"] in END
        )
        over = {stream.media_session_id for stream in self.streams if stream.reason is not None}
        assert ends == Counter(over), "exactly one terminal status of each that ended"
        for number, (socket, session) in enumerate(self.clients):
            told = Counter(body["mediaSessionId"] for (body,) in _statuses(socket) if body["status"] in END)
            own = {each.media_session_id for each in self.streams if each.session_id == session.session_id}
            _see_that_the_end_is_the_end(socket)
            if number in self.left:
                begun = Counter({each: count for each, count in told.items() if each in own})
                assert begun <= Counter(own & over)
                assert told - begun <= Counter(told.keys() - own), "what was refused because the server shuts down"
            else:
                assert told == Counter(own & over)

    # -- inside ------------------------------------------------------------------------------------

    async def _request(self, asked: Terminate, query: StreamFilter, deadline: float) -> None:
        node = LocalNode("node1", self.rig.supervisor, dict)
        asked.present = [stream for stream in self.streams if stream.reason is None]
        meant = [stream for stream in asked.present if query.matches(stream)]
        with asked.scope:
            answer = await node.terminate(query, asked.reason, dry_run=False, deadline=deadline)
            survivors = [stream for stream in meant if stream.reason is None]
            assert not survivors, "nobody who matched survives the answer"
            by = [stream for stream in self.streams if stream.reason is asked.reason]
            assert all(stream.has_told for stream in by), "their clients and backends are told before it"
            fallen = [stream for stream in meant if stream.reason is PUBLISHER_STOP]
            assert len(by) <= answer.count <= len(by) + len(fallen)
            if answer.all_stopped:
                assert all(stream.stopped.is_set() for stream in by)

    def _ask(self, client: int, message: str, name: str, media_session_id: str, *, published: bool) -> None:
        if client not in self.left:
            self.clients[client][0].send(message, stream_request(name, media_session_id, published=published))

    def _some(self, number: int) -> Stream:
        return self.streams[number % len(self.streams)]

    def _number(self, kind: str) -> int:
        self.numbers[kind] += 1
        return self.numbers[kind] - 1


def _statuses(socket: MemorySocket) -> list[list[dict[str, str]]]:
    while True:
        try:
            socket.frames.append(socket.take())
        except trio.WouldBlock:
            return socket.received("notifyStreamStatusEvent")


def _see_that_the_end_is_the_end(socket: MemorySocket) -> None:
    over = set()
    for frame in socket.frames:
        if frame["message"] == "setRemoteSDP":
            assert frame["data"][0] not in over, "a stream that was over has answered its offer"
        elif frame["message"] == "notifyStreamStatusEvent" and frame["data"][0]["status"] in END:
            over.add(frame["data"][0]["mediaSessionId"])


Step = tuple[str, tuple[Any, ...]]
"""A method of `World`, and its arguments."""


def steps(method: Callable[..., None], *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(method.__name__), st.tuples(*arguments))


some_client, some_stream, some_name = st.integers(0, CLIENTS - 1), st.integers(0, 9), st.sampled_from(NAMES)
SCRIPT = st.lists(
    st.tuples(
        st.one_of(
            steps(World.terminate, st.sampled_from(FILTERS), st.sampled_from((0.0, 60.0))),
            steps(World.publish, some_client, some_name),
            steps(World.play, some_client, some_name),
            steps(World.unpublish, some_stream),
            steps(World.fail, some_stream),
            steps(World.disconnect, some_client),
            steps(World.disconnect_by_rest, some_client),
            steps(World.leave),
            steps(World.hold),
            steps(World.answer),
        ),
        st.integers(0, 7),
    ),
    min_size=2,
    max_size=10,
)
"""Steps, each with the number of passes after it."""
SMALL = st.builds(
    Small,
    at_once=st.sampled_from((0, 3, 32)),
    cut_at_once=st.sampled_from((0, 300)),
    slice_cost=st.sampled_from((1, 12, 400)),
)


@pytest.mark.slow
@settings(max_examples=100)
@given(script=SCRIPT, small=SMALL, closes=st.booleans())
def test_whatever_comes_between_the_slices(script: list[tuple[Step, int]], small: Small, *, closes: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(termination, "STOPPED_AT_ONCE", small.at_once)
        patch.setattr(termination, "CUT_AT_ONCE", small.cut_at_once)
        patch.setattr(termination, "SLICE_COST", small.slice_cost)
        streams: list[Stream] = []
        adopt = Supervisor.adopt_stream

        def note(supervisor: Supervisor, stream: Stream) -> None:
            adopt(supervisor, stream)
            streams.append(stream)

        patch.setattr(Supervisor, "adopt_stream", note)
        trio.run(partial(_play, script, streams, closes=closes), clock=MockClock(autojump_threshold=0))


async def _play(script: list[tuple[Step, int]], streams: list[Stream], *, closes: bool) -> None:
    methods = frozenset({"publishStream", "playStream", "StreamStatusEvent"})
    async with signaling_rig(methods=methods, keep_alive_server_interval=1000.0) as rig:
        async with trio.open_nursery() as nursery:
            world = World(rig, nursery, streams)
            await world.begin()
            for (method, arguments), passes in script:
                getattr(world, method)(*arguments)
                for _ in range(passes):
                    await trio.lowlevel.checkpoint()
                    world.look()
            if closes:
                world.close()
            world.answer()
        await trio.testing.wait_all_tasks_blocked()
        await rig.dispatcher.drain(60)
        await trio.testing.wait_all_tasks_blocked()
        world.look_at_the_end()

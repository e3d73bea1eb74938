"""Terminates that do not fit into one pass of the event loop: how much a pass holds, and what the answer says."""

import gc
import math
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.node import termination
from actors.node.control import LocalNode
from actors.runtime.actor import SHUTDOWN
from actors.runtime.slices import SliceBudget
from actors.session import Session
from actors.session.socket.reading import CLIENT_CLOSED
from actors.stream import Stream
from actors.stream.end_reasons import PUBLISHER_STOP, SESSION_DISCONNECT
from actors.web.api.streams.streams import BY_REST
from protocol.node.descriptions import StreamTraits
from protocol.node.filters import ConnectionFilter, StreamFilter
from protocol.rest.resources.streams import TerminateAnswer
from tests.support.session.signaling_rig import SignalingRig, signaling_rig

PLAYERS = 60
PUBLICATIONS = 30
STREAMS = 2 * PLAYERS + PUBLICATIONS
TOLD_IN_A_PASS = math.ceil(termination.SLICE_COST / termination.TELL_COST)
REPORTED_IN_A_PASS = math.ceil(termination.SLICE_COST / termination.REPORT_COST)
ENDED_IN_A_PASS = math.ceil(termination.SLICE_COST / termination.END_COST)


@pytest.fixture(name="rig")
async def rig_with_many_streams(autojump_clock: MockClock) -> AsyncIterator[SignalingRig]:
    """One client publishes s0 to s29, two others play s0, as v0 to v119."""
    async with signaling_rig(methods=frozenset(), max_streams_per_session=1000) as rig:
        publisher, _ = await rig.connect()
        for number in range(PUBLICATIONS):
            await rig.publish(publisher, f"s{number}", f"p{number}")
        for first in (0, PLAYERS):
            socket, _ = await rig.connect()
            for number in range(first, first + PLAYERS):
                await rig.play(socket, "s0", f"v{number}")
        yield rig


class Watch(trio.abc.Instrument):
    """Counts what each pass of the loop did: streams whose owner was told, or everybody else, and those closed."""

    def __init__(self, rig: SignalingRig) -> None:
        self._streams = [stream for stream in rig.supervisor.streams() if isinstance(stream, Stream)]
        self._media = [*rig.plane.publications, *rig.plane.playbacks]
        self.cut: list[int] = []
        self.told: list[int] = []
        self.reported: list[int] = []
        self.closed: list[int] = []

    def before_io_wait(self, timeout: float) -> None:
        for counts, now in (
            (self.cut, sum(stream.reason is not None for stream in self._streams)),
            (self.told, sum(stream._has_notified for stream in self._streams)),
            (self.reported, sum(stream.has_told for stream in self._streams)),
            (self.closed, sum(bool(each.closed) for each in self._media)),
        ):
            counts.append(now - sum(counts))


async def watched(rig: SignalingRig, *doings: Callable[[], Any]) -> Watch:
    """What each pass did, from the `doings`, all in one pass, to the end."""
    watch = Watch(rig)
    trio.lowlevel.add_instrument(watch)
    try:
        for do in doings:
            do()
        await trio.testing.wait_all_tasks_blocked()
    finally:
        trio.lowlevel.remove_instrument(watch)
    return watch


async def terminated(rig: SignalingRig, query: StreamFilter, **changes: Any) -> TerminateAnswer:
    """As REST does it."""
    wanted = {"dry_run": False, "deadline": trio.current_time() + 5} | changes
    return await LocalNode("node1", rig.supervisor, dict).terminate(query, BY_REST, **wanted)


async def test_a_pass_stops_some_and_closes_some(rig: SignalingRig) -> None:
    watch = await watched(rig, lambda: rig.supervisor.terminate(StreamFilter(), BY_REST))
    assert watch.cut[0] == sum(watch.told) == STREAMS, "hundreds get no more packets from the request on"
    assert max(watch.told) <= TOLD_IN_A_PASS
    assert sum(watch.reported) == sum(watch.closed) == STREAMS
    assert max(watch.reported) <= REPORTED_IN_A_PASS
    assert max(watch.closed) <= ENDED_IN_A_PASS
    assert not any(watch.reported[: _last(watch.told) - 1]), "all owners are told before their backends"
    assert not any(watch.closed[: _last(watch.reported) - 1]), "all are told before the rest is done"


async def test_no_client_of_hundreds_waits_for_a_collection(rig: SignalingRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(termination, "SLICE_COST", termination.TELL_COST)
    told: list[int] = []  # so many had been told at each collection

    def look(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            told.append(sum(stream._has_notified for stream in streams))

    streams = [stream for stream in rig.supervisor.streams() if isinstance(stream, Stream)]
    gc.disable()  # those that Python chooses
    gc.callbacks.append(look)
    try:
        rig.supervisor.terminate(StreamFilter(), BY_REST)
        await trio.testing.wait_all_tasks_blocked()
    finally:
        gc.callbacks.remove(look)
        gc.enable()
    assert set(told) == {STREAMS}, "there were collections, but after all had been told"


async def test_thousands_are_cut_off_in_slices_before_any_is_told(
    rig: SignalingRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(termination, "CUT_AT_ONCE", STREAMS - 1)
    monkeypatch.setattr(termination, "SLICE_COST", 100)
    watch = await watched(rig, lambda: rig.supervisor.terminate(StreamFilter(), BY_REST))
    assert sum(watch.cut) == sum(watch.told) == STREAMS
    assert max(watch.cut) <= 100 // termination.CUT_COST
    assert not any(watch.told[: _last(watch.cut) - 1])


async def test_terminates_at_once_take_turns(rig: SignalingRig) -> None:
    queries = (StreamFilter(name="s0"), StreamFilter(published=False), StreamFilter())
    watch = await watched(rig, *(lambda query=query: rig.supervisor.terminate(query, BY_REST) for query in queries))
    assert sum(watch.told) == sum(watch.closed) == STREAMS
    assert max(watch.told) <= TOLD_IN_A_PASS + termination.STOPPED_AT_ONCE  # the last one finds few that are left
    assert max(watch.closed) <= ENDED_IN_A_PASS + termination.STOPPED_AT_ONCE


@pytest.mark.parametrize(
    "query", [StreamFilter(name="s0", published=True), StreamFilter(media_session_ids=frozenset({"p0"}))]
)
async def test_one_publication_with_many_players_is_sliced_too(rig: SignalingRig, query: StreamFilter) -> None:
    watch = await watched(rig, lambda: rig.supervisor.terminate(query, BY_REST))
    assert sum(watch.told) == 2 * PLAYERS + 1
    assert max(watch.told) <= TOLD_IN_A_PASS


async def test_a_publication_that_ends_by_itself_takes_its_players_along_in_slices(rig: SignalingRig) -> None:
    (publication,) = (each for each in rig.supervisor.streams() if each.media_session_id == "p0")
    watch = await watched(rig, lambda: publication.stop(BY_REST))
    assert sum(watch.told) == sum(watch.closed) == 2 * PLAYERS + 1
    assert max(watch.told) <= TOLD_IN_A_PASS
    assert publication.stopped.is_set()


async def test_a_session_with_many_streams_is_sliced_too(rig: SignalingRig) -> None:
    sessions = list(rig.supervisor.sessions())
    watch = await watched(rig, lambda: rig.supervisor.terminate_connections(ConnectionFilter(), BY_REST))
    assert sum(watch.told) == STREAMS
    assert max(watch.told) <= TOLD_IN_A_PASS
    assert all(session.stopped.is_set() and session.reason is BY_REST for session in sessions)


async def test_sessions_that_end_at_once_take_their_streams_along_in_slices(rig: SignalingRig) -> None:
    sessions = [session for session in rig.supervisor.sessions() if isinstance(session, Session)]
    watch = await watched(rig, *(lambda session=session: session.stop(CLIENT_CLOSED) for session in sessions))
    assert sum(watch.told) == sum(watch.closed) == STREAMS
    assert max(watch.told) <= TOLD_IN_A_PASS + termination.STOPPED_AT_ONCE  # one of them has few streams
    assert max(watch.closed) <= ENDED_IN_A_PASS + termination.STOPPED_AT_ONCE
    assert all(session.stopped.is_set() for session in sessions)


async def test_the_end_of_everything_is_sliced_too(rig: SignalingRig) -> None:
    watch = await watched(rig, lambda: rig.supervisor.close(SHUTDOWN))
    assert sum(watch.told) == sum(watch.closed) == STREAMS
    assert max(watch.told) <= TOLD_IN_A_PASS
    assert max(watch.closed) <= ENDED_IN_A_PASS
    assert rig.supervisor.is_idle


async def test_a_session_s_end_is_reported_after_those_of_all_its_streams(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, session = await rig.connect()
        for number in range(PLAYERS):
            await rig.publish(socket, f"s{number}", f"p{number}")
        await trio.testing.wait_all_tasks_blocked()
        before = len(rig.backend.calls)
        session.stop(BY_REST)
        await session.stopped.wait()
        await trio.testing.wait_all_tasks_blocked()
        ends = [body["status"] for _, body in rig.backend.calls[before:]]
        assert ends == ["FAILED"] * PLAYERS + ["DISCONNECTED"]
        told = [await socket.receive("notifyStreamStatusEvent", status="FAILED") for _ in range(PLAYERS)]
        assert {frame["mediaSessionId"] for frame in told} == {f"p{number}" for number in range(PLAYERS)}


async def test_a_session_that_ends_while_its_streams_are_terminated_reports_all_of_them(
    autojump_clock: MockClock,
) -> None:
    async with signaling_rig() as rig:
        socket, session = await rig.connect()
        for number in range(PLAYERS):
            await rig.publish(socket, f"s{number}", f"p{number}")
        await trio.testing.wait_all_tasks_blocked()
        before = len(rig.backend.calls)
        rig.supervisor.terminate(StreamFilter(), BY_REST)
        assert not any(stream.has_told for stream in rig.supervisor.all_streams())
        session.stop(BY_REST)
        await session.stopped.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert [body["status"] for _, body in rig.backend.calls[before:]] == ["FAILED"] * PLAYERS + ["DISCONNECTED"]


async def test_the_answer_counts_players_that_match_and_fall_with_their_publication(rig: SignalingRig) -> None:
    answer = await terminated(rig, StreamFilter())
    assert (answer.count, answer.all_stopped) == (STREAMS, True)
    assert not list(rig.supervisor.streams())


async def test_players_that_do_not_match_are_not_counted(rig: SignalingRig) -> None:
    answer = await terminated(rig, StreamFilter(published=True))
    assert (answer.count, answer.all_stopped) == (PUBLICATIONS, True)
    assert rig.supervisor.is_idle is False
    assert not list(rig.supervisor.streams())


async def test_however_little_time_it_has_the_answer_waits_until_all_are_stopped(rig: SignalingRig) -> None:
    streams = list(rig.supervisor.streams())
    answer = await terminated(rig, StreamFilter(), deadline=trio.current_time())
    assert (answer.count, answer.all_stopped) == (STREAMS, False)
    assert all(stream.reason is not None for stream in streams)
    await trio.testing.wait_all_tasks_blocked()
    assert all(stream.stopped.is_set() for stream in streams)


async def test_a_dry_run_stops_nobody(rig: SignalingRig) -> None:
    answer = await terminated(rig, StreamFilter(), dry_run=True)
    assert (answer.count, len(answer.nodes[0].matched)) == (STREAMS, STREAMS)
    assert len(list(rig.supervisor.streams())) == STREAMS


async def test_a_client_that_leaves_in_the_middle_changes_nothing(rig: SignalingRig, nursery: trio.Nursery) -> None:
    streams = list(rig.supervisor.streams())
    with trio.CancelScope() as client:
        nursery.start_soon(_cancel_after, 2, client)
        await terminated(rig, StreamFilter())
    assert client.cancelled_caught
    assert not all(stream.has_told for stream in streams)
    await trio.testing.wait_all_tasks_blocked()
    assert all(stream.reason is not None and stream.stopped.is_set() for stream in streams)


@pytest.mark.parametrize("passes", [1, 4, 8, 12])
async def test_a_shutdown_in_the_middle_ends_all(passes: int, rig: SignalingRig, nursery: trio.Nursery) -> None:
    streams = list(rig.supervisor.streams())
    nursery.start_soon(terminated, rig, StreamFilter())
    for _ in range(passes):
        await trio.lowlevel.checkpoint()
    rig.supervisor.close(SHUTDOWN)
    await trio.testing.wait_all_tasks_blocked()
    assert rig.supervisor.is_idle
    assert {stream.reason for stream in streams} <= {BY_REST, SHUTDOWN, PUBLISHER_STOP, SESSION_DISCONNECT}
    assert all(stream.stopped.is_set() for stream in streams)
    assert (await terminated(rig, StreamFilter())).count == 0


async def test_a_filter_that_fails_in_the_middle_ends_neither_the_server_nor_the_wait(
    rig: SignalingRig, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(termination, "CUT_AT_ONCE", 0)
    asked: list[str] = []

    class Broken(StreamFilter):
        def matches(self, stream: StreamTraits) -> bool:
            asked.append(stream.media_session_id)
            if asked.count("p20") > 1:  # the first time is the look at how many there are
                raise RuntimeError("broken")
            return True

    answer = await terminated(rig, Broken())
    assert 0 < answer.count < STREAMS
    assert "terminate crashed" in caplog.text
    caplog.clear()
    assert (await terminated(rig, StreamFilter())).all_stopped


async def test_a_stream_that_begins_later_is_not_meant(rig: SignalingRig, nursery: trio.Nursery) -> None:
    alice, _ = await rig.connect()
    nursery.start_soon(terminated, rig, StreamFilter())
    for _ in range(3):
        await trio.lowlevel.checkpoint()
    await rig.publish(alice, "s0", "later")
    await trio.testing.wait_all_tasks_blocked()
    assert [stream.media_session_id for stream in rig.supervisor.streams()] == ["later"]


async def test_a_backend_hears_of_an_end_before_what_its_client_does_next(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(termination, "STOPPED_AT_ONCE", 0)
    monkeypatch.setattr(termination, "SLICE_COST", 1)
    async with signaling_rig(max_streams_per_session=1000) as rig:
        alice, _ = await rig.connect()
        for number in range(PUBLICATIONS):
            await rig.publish(alice, f"s{number}", f"p{number}")
        await trio.testing.wait_all_tasks_blocked()
        rig.supervisor.terminate(StreamFilter(), BY_REST)
        await alice.receive("notifyStreamStatusEvent", mediaSessionId="p0", info=BY_REST.info)
        rig.backend.calls.clear()
        await rig.publish(alice, "s0", "again")
        calls = [(method, body["mediaSessionId"]) for method, body in rig.backend.calls]
        assert calls.index(("StreamStatusEvent", "p0")) < calls.index(("publishStream", "again"))


def test_a_slice_ends_when_its_time_is_over() -> None:
    clock = iter((10.0, 10.0, 10.001, 10.002))
    budget = SliceBudget(100, 0.002, lambda: next(clock))
    assert [budget.is_spent, budget.is_spent, budget.is_spent] == [False, False, True]


def test_a_slice_ends_when_its_cost_is_spent() -> None:
    budget = SliceBudget(2, 1.0, lambda: 0.0)
    budget.spend(1)
    assert not budget.is_spent
    budget.spend(1)
    assert budget.is_spent


def _last(counts: Sequence[int]) -> int:
    """The last pass that did something."""
    return max(number for number, count in enumerate(counts) if count)


async def _cancel_after(passes: int, scope: trio.CancelScope) -> None:
    for _ in range(passes):
        await trio.lowlevel.checkpoint()
    scope.cancel()

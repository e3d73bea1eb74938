"""The supervisor: every live stream and session by id, the nursery of their tasks, and how to stop them by filter.

A terminate that fits into one pass of the event loop is one: nothing comes between matching a stream and stopping it.
Larger ones, the end of everything included, are done in slices; see `termination`. Nothing is restarted here; the crash
of one actor is logged and affects no other.
"""

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Final, Protocol, TypeVar

import trio

from actors.events.event_log import EventLog
from actors.node.stream_index import STATUS, StreamIndex
from actors.node.termination import Candidate, Completion, Termination
from actors.runtime.actor import ActorStopped, StopReason, crash_guard
from actors.runtime.logs import clear_session_level, get_logger
from actors.runtime.loop_clock import real_time
from actors.runtime.slices import Turns, slices
from actors.runtime.young_objects import CollectionPace
from actors.storage.run_record import RunRecord
from protocol.metrics.actor_counts import ActorCounts
from protocol.node.client_data import ClientData
from protocol.node.descriptions import ConnectionDescription, StreamDescription, StreamMeasures, StreamTraits
from protocol.node.filters import ConnectionFilter, StreamFilter
from protocol.node.server_events import EventType
from protocol.rest.paging import ALL, Found, Page
from protocol.stream.statuses import StreamStatus

log = get_logger("supervisor")


class Running(Protocol):
    """An actor whose task is run: `actors.runtime.actor.Actor` is one."""

    started_at: float
    peak_mailbox: int

    @property
    def reason(self) -> StopReason | None: ...
    async def run(self) -> None: ...
    def end_log_fields(self) -> dict[str, object]: ...


class Supervised(Candidate, Running, Protocol):
    """What an actor must offer to live under the supervisor."""

    def abort(self) -> None: ...


class StreamActor(Supervised, StreamTraits, Protocol):
    """A stream as the supervisor sees it. Its traits are cheap to read, a description is not."""

    @property
    def audience(self) -> int: ...
    def describe(self, *, traffic: bool = True) -> StreamDescription: ...
    def measure(self) -> StreamMeasures: ...


class SessionActor(Supervised, Protocol):
    """A session as the supervisor sees it. It is cheap to describe."""

    @property
    def session_id(self) -> str: ...
    @property
    def takes_data(self) -> bool: ...
    def pass_data(self, data: ClientData, *, among_many: bool) -> bool: ...
    def describe(self) -> ConnectionDescription: ...


class OtherActor(Supervised, Hashable, Protocol):
    """A room or a call as the supervisor sees it."""


class AlreadyInUse(Exception):
    """A live stream has this media session id."""


_end_counted: Final = CollectionPace(32)
"""For actors that end, perhaps all at once, as when a proxy goes down."""
LIVE: Final = (StreamStatus.PUBLISHING, StreamStatus.PLAYING)
_MATCHED_AT_ONCE = 200
_DESCRIBED_AT_ONCE = 20
"""Actors examined, or described, before other tasks get a turn: about half a millisecond's work."""

A = TypeVar("A", bound=Supervised)
D = TypeVar("D")


class Supervisor:
    """Owner of all stream and session actors of this node."""

    def __init__(
        self, counts: ActorCounts | None = None, events: EventLog | None = None, record: RunRecord | None = None
    ) -> None:
        self.counts, self.events = counts or ActorCounts(), events or EventLog()
        self._streams: StreamIndex[StreamActor] = StreamIndex(record)
        self._sessions: dict[str, SessionActor] = {}
        self._others: dict[OtherActor, str] = {}  # with what it is
        self._nursery: trio.Nursery | None = None
        self._closing = False
        self.beats = 0
        self._changed = trio.Event()
        self.turns = Turns()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the actors' tasks; returns once `close` was called and the last of them has ended."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            while not (self._closing and self.is_idle):
                self._changed = trio.Event()
                await self._changed.wait()
                self.beats += 1

    def poke(self) -> None:
        """Let `run` show that it goes on: `beats` grows."""
        self._changed.set()

    # -- taking actors in --------------------------------------------------------------------------

    def adopt_stream(self, stream: StreamActor) -> None:
        """Run `stream` from now on. Raises AlreadyInUse, or ActorStopped once the server is closing."""
        if stream.media_session_id in self._streams:
            raise AlreadyInUse(stream.media_session_id)
        self._open_nursery().start_soon(self._oversee_stream, stream)
        self._streams.add(stream)
        self.counts.stream_started(published=stream.published)

    def adopt_session(self, session: SessionActor) -> None:
        """Run `session` from now on. Raises ActorStopped once the server is closing."""
        self._open_nursery().start_soon(self._oversee_session, session)
        self._sessions[session.session_id] = session

    def adopt_other(self, kind: str, actor: OtherActor) -> None:
        """Run a room or a call from now on. Raises ActorStopped once the server is closing."""
        self._open_nursery().start_soon(self._oversee_other, kind, actor)
        self._others[actor] = kind

    def changed(self, stream: StreamActor, key: str) -> None:
        """A property that streams are found by is another one; see `StreamIndex`."""
        self._streams.changed(stream, key)

    # -- looking -----------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """True when no stream, session, room and call is left."""
        return not self._streams and not self._sessions and not self._others

    @property
    def session_count(self) -> int:
        return len(self._sessions)

    @property
    def stream_counts(self) -> tuple[int, int]:
        """The numbers of streams published and played, those that begin or end included."""
        published = len(self._streams.having("published", True))
        return published, len(self._streams) - published

    async def until_change(self) -> None:
        """Wait until an actor has ended."""
        await self._changed.wait()

    def count_actors(self) -> dict[str, int]:
        """How many run, by kind."""
        others = Counter(self._others.values())
        return {"session": len(self._sessions), "stream": len(self._streams), "room": 0, "call": 0, **others}

    def count_streams(self) -> dict[str, int]:
        """The numbers of streams published and played; the SDK's console also asks for types that do not exist here."""
        incoming, outgoing = self.stream_counts
        others = {f"streams_{kind}_{way}": 0 for kind in ("rtmfp", "rtmp", "rtsp") for way in ("in", "out")}
        return {"streams_webrtc_in": incoming, "streams_webrtc_out": outgoing, "streams_viewers": outgoing, **others}

    def streams(self) -> Iterator[StreamActor]:
        """The streams that have not been stopped, oldest first."""
        return (stream for stream in self._streams if stream.reason is None)

    def all_streams(self) -> tuple[StreamActor, ...]:
        """All of them, oldest first; some may have been stopped."""
        return tuple(self._streams)

    def sessions(self) -> Iterator[SessionActor]:
        """The sessions that have not been stopped, oldest first."""
        return (session for session in self._sessions.values() if session.reason is None)

    def live_streams(self) -> Iterator[StreamActor]:
        """The streams whose media flows, publications first. To be gone through at once."""
        return chain.from_iterable(self._streams.having(STATUS, each) for each in LIVE)

    def session(self, session_id: str) -> SessionActor | None:
        """The session of that id, which may have been stopped."""
        return self._sessions.get(session_id)

    def all_sessions(self) -> dict[str, SessionActor]:
        """A copy of the table of sessions, by id, oldest first; some may have been stopped."""
        return dict(self._sessions)

    def matching(self, query: StreamFilter) -> list[StreamActor]:
        """The streams that match and have not been stopped, at once: for a query by name or id, which few match."""
        return [each for each in self._streams.candidates(query) if each.reason is None and query.matches(each)]

    async def find(self, query: StreamFilter, page: Page = ALL, *, traffic: bool = True) -> Found[StreamDescription]:
        """The matching streams on the page. Other tasks get their turn in between, however many streams there are.

        A stream that ends in the meantime may be counted but not shown. `traffic`: with the counters of their media.
        """
        hits = await self._choose(self._streams.candidates(query), query.matches)
        items = await self._described(page.of(hits), lambda stream: stream.describe(traffic=traffic))
        return Found(total=len(hits), items=items)

    async def find_connections(self, query: ConnectionFilter, page: Page = ALL) -> Found[ConnectionDescription]:
        """The same for sessions."""
        hits = await self._choose(self._session_candidates(query), _matching(query))
        items = await self._described(page.of(hits), lambda session: session.describe())
        return Found(total=len(hits), items=items)

    # -- stopping ----------------------------------------------------------------------------------

    def terminate(self, query: StreamFilter, reason: StopReason) -> Termination[StreamActor]:
        """Stop every stream that matches: before returning, or in slices if there are many.

        A stream is meant that is here now and matches when its turn comes. Players that end with their publication end
        as such, whether the filter matches them too or not.
        """
        candidates = self._streams.candidates(query, by_status=False)
        return self._start(Termination(candidates, query.matches, reason, turns=self.turns))

    def terminate_connections(self, query: ConnectionFilter, reason: StopReason) -> Termination[SessionActor]:
        """Stop every session that matches in the same way; their streams end with them."""
        candidates = self._session_candidates(query)
        return self._start(Termination(candidates, _matching(query), reason, turns=self.turns))

    def terminate_others(self, actors: Sequence[OtherActor], reason: StopReason) -> Termination[OtherActor]:
        """Stop these rooms or calls in the same way."""
        return self._start(Termination(actors, _everyone, reason, turns=self.turns))

    def stop_streams(self, streams: Collection[StreamActor], reason: StopReason) -> Termination[StreamActor]:
        """Stop these streams in the same way, and also tell of those that have been cut off: they have no owner now."""
        return self._start(Completion(streams, _everyone, reason, turns=self.turns))

    def close(self, reason: StopReason) -> None:
        """Accept no more actors and stop all there are; `run` returns when the last has ended.

        Rooms come first: one that is stopped tells nobody that its members go one after the other.
        """
        self._closing = True
        everybody: list[Supervised] = [*self._others, *self._sessions.values(), *self._streams]
        if everybody:
            self._start(Termination(everybody, _everyone, reason, turns=self.turns))
        self._changed.set()

    def abort(self) -> None:
        """After `close`: stop waiting for those that are left."""
        for actor in (*self._sessions.values(), *self._streams, *self._others):
            actor.abort()

    def remaining(self) -> tuple[str, ...]:
        """The ids of everything that has not ended yet, for the log of a shutdown that takes too long."""
        return (*self._sessions, *self._streams.ids(), *map(repr, self._others))

    # -- inside ------------------------------------------------------------------------------------

    def _start(self, termination: Termination[A]) -> Termination[A]:
        if not termination.try_at_once():
            self._running().start_soon(termination.run)
        return termination

    async def _choose(self, actors: Sequence[A], matches: Callable[[A], bool]) -> list[A]:
        """Those that match and have not been stopped."""
        hits: list[A] = []
        for some in slices(actors, _MATCHED_AT_ONCE):
            async with self.turns:
                hits += (actor for actor in some if actor.reason is None and matches(actor))
        return hits

    async def _described(self, actors: Sequence[A], describe: Callable[[A], D]) -> tuple[D, ...]:
        """The descriptions of those that have not been stopped meanwhile."""
        shown: list[D] = []
        for some in slices(actors, _DESCRIBED_AT_ONCE):
            async with self.turns:
                shown += (describe(actor) for actor in some if actor.reason is None)
        return tuple(shown)

    def _session_candidates(self, query: ConnectionFilter) -> list[SessionActor]:
        if query.session_id is None:
            return list(self._sessions.values())
        return [self._sessions[query.session_id]] if query.session_id in self._sessions else []

    def _open_nursery(self) -> trio.Nursery:
        if self._closing:
            raise ActorStopped("the server takes no more work")
        return self._running()

    def _running(self) -> trio.Nursery:
        if self._nursery is None:
            raise ActorStopped("the server has not started")
        return self._nursery

    async def _oversee_stream(self, stream: StreamActor) -> None:
        try:
            await self._guarded("stream", stream, partial(_note_stream_end, self.counts, self.events, stream))
        finally:
            self._streams.remove(stream)
            self._changed.set()

    async def _oversee_session(self, session: SessionActor) -> None:
        try:
            await self._guarded("session", session, partial(_note_session_end, self.counts, self.events, session))
        finally:
            del self._sessions[session.session_id]
            clear_session_level(session.session_id)
            self._changed.set()

    async def _oversee_other(self, kind: str, actor: OtherActor) -> None:
        try:
            await self._guarded(kind, actor, lambda: None)
        finally:
            self._others.pop(actor, None)
            self._changed.set()

    async def _guarded(self, kind: str, actor: Running, count_end: Callable[[], None]) -> None:
        # The actor's own log fields are its code too, and may fail.
        with crash_guard(partial(self._report_crash, kind, f"{kind} crashed", actor)):
            await actor.run()
        with crash_guard(partial(self._report_crash, kind, f"{kind} crashed at its end", actor)):
            log_end(kind, actor)
            self.counts.note_mailbox(kind, actor.peak_mailbox)
            count_end()

    def _report_crash(self, kind: str, event: str, actor: Running, error: BaseException) -> None:
        self.counts.crashes[kind] += 1
        log.error(event, crash=error, actor=repr(actor), session=getattr(actor, "session_id", None))


def _note_stream_end(counts: ActorCounts, events: EventLog, stream: StreamActor) -> None:
    seconds, traffic = _age(stream), stream.measure().traffic
    counts.stream_ended(published=stream.published, cause=_cause(stream), seconds=seconds, traffic=traffic)
    events.emit(
        EventType.STREAM_ENDED,
        app=stream.app_key,
        name=stream.name,
        sessionId=stream.session_id,
        mediaSessionId=stream.media_session_id,
        published=stream.published,
        status=str(stream.status),
        cause=_cause(stream),
        packets=traffic.packets,
        bytes=traffic.bytes,
        seconds=round(seconds, 3),
    )


def _note_session_end(counts: ActorCounts, events: EventLog, session: SessionActor) -> None:
    counts.session_ended(cause=_cause(session), seconds=_age(session))
    events.emit(
        EventType.SESSION_ENDED,
        app=counts.apps.known(session.describe().app_key),
        sessionId=session.session_id,
        cause=_cause(session),
        seconds=round(_age(session), 3),
    )


def _everyone(actor: Supervised) -> bool:
    return True


def _matching(query: ConnectionFilter) -> Callable[[SessionActor], bool]:
    """Sessions have few properties: they are described to be matched."""
    return lambda session: query.matches(session.describe())


def log_end(kind: str, actor: Running) -> None:
    """The one log line about an actor's end."""
    log.info(
        f"{kind} ended",
        **actor.end_log_fields(),
        cause=_cause(actor),
        seconds=round(_age(actor), 3),
        peak_mailbox=actor.peak_mailbox,
    )
    _end_counted.step()


def _cause(actor: Running) -> str:
    return actor.reason.cause if actor.reason else "unknown"


def _age(actor: Running) -> float:
    return real_time() - actor.started_at

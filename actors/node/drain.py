"""Draining: no new publications, until the last one has ended and the server can stop without cutting anybody off.

Viewers are let in as long as there is something to see. Players that wait for a stream that nobody publishes do not
prolong a drain: nobody can publish it any more.
"""

import math
from collections.abc import Callable
from typing import Any, Protocol

import trio

from actors.events.event_log import EventLog
from actors.runtime.logs import get_logger
from protocol.node.server_events import EventType
from protocol.node.server_state import DrainReport, ServerState

log = get_logger("server")


class Population(Protocol):
    """The streams of a node, as a drain looks at them."""

    @property
    def stream_counts(self) -> tuple[int, int]:
        """Published and played."""

    async def until_change(self) -> None: ...


class NotDrainable(Exception):
    """The server stops, whatever the operator wants now."""


class Empty:
    """A node without streams."""

    stream_counts = (0, 0)

    async def until_change(self) -> None:
        """For ever."""
        await trio.sleep_forever()


class Drain:
    """Whether this server drains. `run` returns when a drain is over."""

    def __init__(self, population: Population | None = None, events: EventLog | None = None) -> None:
        self._population = population or Empty()
        self._events = events or EventLog()
        self._begun = trio.Event()
        self._scope = trio.CancelScope()
        self._deadline = math.inf
        self._is_final = self._is_over = False
        self._refused = 0
        self._longest = math.inf
        self._waits_for_viewers = False
        self._on_change: Callable[[], None] = lambda: None
        self.state = ServerState.STARTING

    def in_cluster(self, longest: float, on_change: Callable[[], None]) -> None:
        """Wait for players too, who may watch streams of other nodes, and in any case no longer than `longest`, if no
        limit is given. `on_change`: called when the state is another one.
        """
        self._longest, self._waits_for_viewers, self._on_change = longest, True, on_change

    @property
    def is_on(self) -> bool:
        return self.state is ServerState.DRAINING

    @property
    def _remaining(self) -> int:
        """Streams that keep the server from stopping."""
        publications, viewers = self._population.stream_counts
        return publications + viewers if self._waits_for_viewers else publications

    @property
    def is_final(self) -> bool:
        """Whether it is the beginning of the end: a signal has asked for it, and it cannot be taken back."""
        return self._is_final

    def refuses(self) -> bool:
        """Whether to refuse a new publication now; counts the refusal."""
        self._refused += self.is_on
        return self.is_on

    def begin(self, timeout: float = math.inf, *, by: str, is_final: bool = False) -> bool:
        """Drain for at most `timeout` seconds; a drain under way gets the new limit. False if that changes nothing.

        math.inf: no limit, or in a cluster the longest one.
        NotDrainable once the server stops.
        """
        self._check()
        deadline = trio.current_time() + (self._longest if math.isinf(timeout) else timeout)
        if is_final:  # a signal may shorten what an operator has granted, not prolong it
            deadline = min(deadline, self._deadline)
        changed = not self.is_on or deadline != self._deadline
        self._is_final |= is_final
        self._deadline = self._scope.deadline = deadline
        self.state = ServerState.DRAINING
        self._begun.set()
        if changed:
            self._tell("draining: no new publications are taken", by=by)
            self._emit(EventType.DRAIN_STARTED, by=by)
        return changed

    def begin_last(self, timeout: float, *, by: str) -> bool:
        """A signal has asked the server to stop: drain before that. False if `timeout` is 0, and after the first."""
        if not timeout or self._is_final or self.state is ServerState.STOPPING:
            return False
        self.begin(timeout, by=by, is_final=True)
        return True

    def cancel(self, *, by: str) -> bool:
        """Serve as before; false if the server does. NotDrainable once the server stops, or will after this drain."""
        self._check()
        if self._is_final:
            raise NotDrainable("a signal has asked the server to stop; this drain cannot be ended by undrain")
        if not self.is_on:
            return False
        self.state, self._deadline = ServerState.SERVING, math.inf
        self._begun = trio.Event()
        self._scope.cancel()
        self._tell("the drain is cancelled: publications are taken again", by=by)
        self._emit(EventType.DRAIN_ENDED, result="cancelled", by=by)
        return True

    def serve(self) -> None:
        """Everything is open, unless the server drains already."""
        if self.state is ServerState.STARTING:
            self.state = ServerState.SERVING

    def stop(self) -> None:
        """The server stops, and drains no more."""
        if self.is_on and not self._is_over:
            self._emit(EventType.DRAIN_ENDED, result="stopped")
        self.state = ServerState.STOPPING
        self._scope.cancel()

    async def until_on(self) -> None:
        """Wait for the beginning of a drain."""
        await self._begun.wait()

    async def run(self) -> None:
        """Return when a drain is over: no publication is left, or its time has passed."""
        while True:
            await self._begun.wait()
            with trio.CancelScope(deadline=self._deadline) as self._scope:
                while self._remaining:
                    await self._population.until_change()
            if self.is_on and (not self._remaining or trio.current_time() >= self._deadline):
                self._is_over = True
                self._tell("the drain is over")
                self._emit(EventType.DRAIN_ENDED, result="timeout" if self._remaining else "done")
                return

    def report(self) -> DrainReport:
        """How far it is."""
        publications, viewers = self._population.stream_counts
        limited = self.is_on and self._deadline < math.inf
        return DrainReport(
            state=self.state,
            publications=publications,
            viewers=viewers,
            seconds_left=max(0, math.ceil(self._deadline - trio.current_time())) if limited else None,
            refused=self._refused,
        )

    def statistics(self) -> dict[str, int]:
        """For the server's statistics."""
        report = self.report()
        left = 0 if report.seconds_left is None else report.seconds_left
        return {"draining": int(self.is_on), "drain_seconds_left": left, "refused_by_drain": report.refused}

    def _check(self) -> None:
        if self.state is ServerState.STOPPING:
            raise NotDrainable("the server is shutting down")

    def _emit(self, kind: EventType, **fields: object) -> None:
        report = self.report()
        counted = {"publications": report.publications, "viewers": report.viewers, "secondsLeft": report.seconds_left}
        told: dict[str, Any] = {**counted, **fields}
        self._events.emit(kind, **told)
        self._on_change()

    def _tell(self, event: str, **fields: object) -> None:
        report = self.report()
        left = {} if report.seconds_left is None else {"seconds_left": report.seconds_left}
        log.info(event, publications=report.publications, viewers=report.viewers, **left, **fields)

"""What the commands do that watch the server: events as they happen, how hooks end, and this node in one line."""

import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import psutil
import trio
from attrs import field, frozen

from actors.events.event_log import EventLog
from actors.hooks.dispatcher import HookDispatcher
from actors.node.drain import Drain
from actors.runtime.overload import Overload
from config.version import VERSION
from protocol.cluster.members import MemberInfo
from protocol.common.durations import shown_age
from protocol.metrics.hook_counts import HookCounts, HookOutcome
from protocol.node.server_events import EventFilter
from protocol.operator.messages import Answer, Done, ErrorKind, Form, NotDone, Row
from protocol.operator.watch_commands import (
    ShowEvents,
    ShowHooks,
    ShowNodes,
    TailEvents,
    WatchCommand,
    event_row,
)

MAX_TAILS: Final = 8
"""`wcs tail` at a time that wait for events: half of the socket's connections."""
TAIL_WAIT: Final = 5.0
"""Seconds that one of its questions waits for an event."""
TAIL_PAUSE: Final = 0.25
"""Seconds that it rests after an answer, so that many events make few answers."""
AT_ONCE: Final = 500
"""Events that are looked at in one go."""
NODE_COLUMNS: Final = ("node", "version", "state", "up", "publications", "viewers", "sessions", "cpu", "lag_ms")


@frozen(kw_only=True)
class NodeFacts:
    """What is told of this node in one line."""

    node_id: str
    drain: Drain
    sessions: Callable[[], int]
    overload: Overload
    others: Callable[[], Iterable[MemberInfo]] = tuple
    """The other nodes of a cluster, as each told of itself last."""
    degraded: Callable[[], Iterable[str]] = tuple
    """What does not work here, as `/readyz` tells it."""
    started: float = field(factory=time.time)
    """Seconds since the epoch."""
    _process: psutil.Process = field(factory=psutil.Process)

    def row(self) -> Row:
        """The node as of now. `cpu`: percent of one core since this was last asked."""
        report = self.drain.report()
        return {
            "node": self.node_id,
            "version": VERSION,
            "state": str(report.state),
            "up": shown_age(time.time() - self.started),
            "publications": report.publications,
            "viewers": report.viewers,
            "sessions": self.sessions(),
            "cpu": round(self._process.cpu_percent()),
            "lag_ms": self.overload.lag_ms,
            "overloaded": self.overload.is_on,
            "load": round(os.getloadavg()[0], 2),
            "pid": self._process.pid,
        }

    def line(self) -> str:
        """The same for people, above a list."""
        row = self.row()
        return (
            f"wcsd {VERSION}: {row['state']}, up {row['up']}, {row['publications']:,} publications, "
            f"{row['viewers']:,} viewers, {row['sessions']:,} sessions, cpu {row['cpu']} %, lag {row['lag_ms']} ms"
        )


def _other_row(info: MemberInfo) -> Row:
    return {
        "node": info.node_id,
        "version": info.version,
        "state": info.state,
        "up": shown_age(max(0.0, time.time() - info.started)),
        "publications": info.publications,
        "viewers": info.viewers,
        "sessions": info.sessions,
        "cpu": round(100 * info.load),
    }


class WatchCommands:
    """Carries them out."""

    def __init__(self, *, events: EventLog, hooks: HookDispatcher, node: NodeFacts) -> None:
        self.node = node
        self.tails = 0
        """How many `wcs tail` wait for events."""
        self._events = events
        self._hooks = hooks

    async def execute(self, command: WatchCommand) -> Answer:
        """What came of the command."""
        match command:
            case ShowEvents(filter=wanted, count=count):
                rows, _ = await self._latest(wanted, count)
                return Done(rows=rows, form=Form.LINES, message="" if rows else "no events")
            case TailEvents():
                return await self._tail(command)
            case ShowHooks(apps=apps):
                return self._show_hooks(apps)
            case ShowNodes():
                rows = [self.node.row(), *map(_other_row, self.node.others())]
                return Done(rows=rows, columns=NODE_COLUMNS, message="; ".join(self.node.degraded()))

    # -- events --------------------------------------------------------------------------------------------------------

    async def _tail(self, command: TailEvents) -> Answer:
        self._events.want()
        if command.after is None:
            rows, number = await self._latest(command.filter, command.count)
            return self._going_on(command, rows, number)
        if self.tails >= MAX_TAILS:
            message = f"{MAX_TAILS} of these wait for events already; try again later"
            return NotDone(error=ErrorKind.FAILED, message=message)
        self.tails += 1
        try:
            rows, number = await self._next(command.filter, command.after)
        finally:
            self.tails -= 1
        return self._going_on(command, rows, number)

    def _going_on(self, command: TailEvents, rows: list[Row], number: int) -> Done:
        """`number`: the next event to look at."""
        follow = ("tail", "--after", self._events.id_of(number - 1), *_operands(command.filter))
        return Done(rows=rows, form=Form.LINES, follow=follow, pause=TAIL_PAUSE)

    async def _next(self, wanted: EventFilter, after: str) -> tuple[list[Row], int]:
        """The next events that match, and the number to go on with; none if none comes for a while."""
        place = self._events.place_after(after)
        number, rows = place.next_number, _gap(place.is_behind, place.lost)
        with trio.move_on_after(TAIL_WAIT):
            while not rows:
                await self._events.wait(number)
                found, number = self._from(wanted, number)
                rows += found
        return rows, number

    async def _latest(self, wanted: EventFilter, count: int) -> tuple[list[Row], int]:
        """The latest events that match, and the number of the next one. A few at a time: there may be thousands."""
        latest: deque[Row] = deque(maxlen=count)
        end, number = self._events.next_number, self._events.oldest_number
        while number < end:
            rows, number = self._from(wanted, number)
            latest.extend(rows)
            await trio.lowlevel.checkpoint()
        return list(latest), number

    def _from(self, wanted: EventFilter, number: int) -> tuple[list[Row], int]:
        """Those that match among the next ones, and the number to go on with."""
        place = self._events.checked(number)
        batch = self._events.since(place.next_number, AT_ONCE)
        rows = [event_row(event) for event in batch if wanted.matches(event)]
        return _gap(place.is_behind, place.lost) + rows, place.next_number + len(batch)

    # -- hooks ---------------------------------------------------------------------------------------------------------

    def _show_hooks(self, apps: frozenset[str] | None) -> Done:
        states = dict(self._hooks.sender.breakers.states())
        every = _hook_rows(self._hooks.sender.counts)
        rows = [{**row, "breaker": states.get(row["app"])} for row in every if apps is None or row["app"] in apps]
        if apps is not None:
            return Done(rows=rows, message="" if rows else "no hooks yet")
        told = self._hooks.statistics()
        message = (
            f"{told.waiting:,} waiting, {told.dropped + told.dropped_last:,} dropped, {told.retried:,} retried; "
            f"connections: {told.connections_leased} in use, {told.connections_available} idle"
        )
        return Done(rows=rows, message=message)


def _operands(wanted: EventFilter) -> Iterator[str]:
    yield from wanted.types or ()
    if wanted.app is not None:
        yield f"appKey={wanted.app}"
    if wanted.name is not None:
        yield f"name={wanted.name}"


def _gap(is_behind: bool, lost: int | None) -> list[Row]:
    """What is told to those that have missed something."""
    return [{"time": "-", "type": "gap", "lost": lost}] if is_behind else []


def _hook_rows(counts: HookCounts) -> Iterator[Row]:
    """A row for each application and method that has been called."""
    outcomes: dict[tuple[str, ...], Counter[str]] = {}
    for (app, method, outcome), number in counts.calls.items():
        outcomes.setdefault((app, method), Counter())[outcome] += number
    for (app, method), ended in sorted(outcomes.items()):
        yield {"app": app, "method": method, **_told(ended), "mean_ms": _mean_ms(counts, app, method)}


def _told(ended: Mapping[str, int]) -> Row:
    return {outcome.value: ended[outcome.value] for outcome in HookOutcome}


def _mean_ms(counts: HookCounts, app: str, method: str) -> int | None:
    seconds = counts.seconds.get((app, method))
    return None if seconds is None or not seconds.count else round(seconds.sum / seconds.count * 1000)

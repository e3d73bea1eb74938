"""The events of the last while, for any number of readers.

There is one history, of events that are encoded already, and each reader has a place in it; nothing is queued for a
reader. One that is slow loses nothing until the history has passed its place. Then it is told how much it has lost.
"""

import math
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import trio
from attrs import frozen

from protocol.common.json_text import to_json
from protocol.common.masking import holds_uri, masked
from protocol.node.server_events import EventType, ServerEvent, encode_event

MAX_EVENTS: Final = 10_000
MAX_BYTES: Final = 16 * 1024 * 1024
MAX_TEXT: Final = 1000
"""Characters of a text in an event; the rest of a longer one is cut off."""

_FLAT: Final = frozenset({str, bool, int, float})


@frozen
class Resumption:
    """Where a reader goes on. `lost`: events it has missed; None: the server was restarted, nobody knows how many."""

    next_number: int
    is_behind: bool = False
    lost: int | None = 0


class EventLog:
    """The history of one run of the server, which `boot` names."""

    def __init__(
        self,
        *,
        boot: str | None = None,
        wall_clock: Callable[[], float] = time.time,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.gaps = 0
        """How often a reader had missed something."""
        self.readers = 0
        self.node_id: str | None = None
        """In a cluster: shown in each event."""
        self.scope: Callable[[], Mapping[str, object]] | None = None
        """In a cluster: whose events there are, as the first event of each reader tells."""
        self.wanted = trio.Event()
        """Set when somebody wants to know of events; the one who waits for it replaces it."""
        self._wanted_at = -math.inf
        self._boot = boot or secrets.token_hex(4)
        self._clock = wall_clock
        self._events: deque[ServerEvent] = deque()
        self._next = 1
        self._bytes = 0
        self._second, self._written = -1.0, ""
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._changed = trio.Event()
        self._is_awaited = False

    def emit(self, kind: EventType, *, app: str | None = None, name: str | None = None, **fields: object) -> None:
        """Something has happened. `fields` are what readers get, named as in hooks; URIs are masked."""
        told = {"time": self._time(), "nodeId": self.node_id, "appKey": app, "name": name, **fields}
        data = encode_event(self.id_of(self._next), kind.value, _written(told))
        self.counts[kind.value] += 1
        self._append(ServerEvent(self._next, kind, app, name, data))

    def take_in(self, kind: EventType, app: str | None, name: str | None, data: str) -> None:
        """An event of another node, as that one has written it."""
        encoded = encode_event(self.id_of(self._next), kind.value, data)
        self._append(ServerEvent(self._next, kind, app, name, encoded, is_own=False))

    def _append(self, event: ServerEvent) -> None:
        self._events.append(event)
        self._next += 1
        self._bytes += len(event.data)
        while len(self._events) > self._max_events or self._bytes > self._max_bytes:
            self._bytes -= len(self._events.popleft().data)
        if self._is_awaited:
            self._is_awaited = False
            self._changed.set()
            self._changed = trio.Event()

    def want(self) -> None:
        """Somebody wants to know of events now, also of those of other nodes."""
        self._wanted_at = trio.current_time()
        self.wanted.set()

    def is_wanted(self, lately: float) -> bool:
        """Whether somebody reads now, or did in the last so many seconds."""
        return self.readers > 0 or trio.current_time() - self._wanted_at <= lately

    def _time(self) -> str:
        seconds, fraction = divmod(self._clock(), 1)
        if seconds != self._second:  # in a burst, to write it takes as long as the rest
            self._second, self._written = seconds, datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._written}.{int(fraction * 1000):03d}Z"

    def id_of(self, number: int) -> str:
        """The id of an event, `BOOT-N`."""
        return f"{self._boot}-{number}"

    @property
    def next_number(self) -> int:
        """The number of the next event."""
        return self._next

    @property
    def oldest_number(self) -> int:
        """The number of the oldest event there is; that of the next one if there is none."""
        return self._next - len(self._events)

    def place_after(self, last_event_id: str | None) -> Resumption:
        """Where a reader goes on that has had this event last; one that has had none begins with the next event."""
        if last_event_id is None:
            return Resumption(self._next)
        boot, _, number = last_event_id.rpartition("-")
        if boot != self._boot or not number.isascii() or not number.isdecimal() or not int(number[:20]) < self._next:
            self.gaps += 1
            return Resumption(self.oldest_number, is_behind=True, lost=None)
        return self.checked(int(number) + 1)

    def checked(self, next_number: int) -> Resumption:
        """The place of a reader that goes on with this event; the oldest there is, if that one is gone."""
        if next_number >= self.oldest_number:
            return Resumption(next_number)
        self.gaps += 1
        return Resumption(self.oldest_number, is_behind=True, lost=self.oldest_number - next_number)

    def since(self, next_number: int, most: int) -> Sequence[ServerEvent]:
        """At most so many events from this one on, which must not be gone."""
        count = self._next - next_number
        if count > most:
            start = next_number - self.oldest_number
            return tuple(islice(self._events, start, start + most))
        return tuple(reversed(tuple(islice(reversed(self._events), count))))

    def history(self) -> Sequence[ServerEvent]:
        """All that are kept, oldest first."""
        return tuple(self._events)

    async def wait(self, next_number: int) -> None:
        """Until this event has happened."""
        while self._next <= next_number:
            self._is_awaited = True
            await self._changed.wait()


def _written(told: Mapping[str, object]) -> str:
    """As JSON, long texts cut off and URIs masked: mostly there are none, which is seen once it is written."""
    known = {key: value for key, value in told.items() if value is not None}
    kinds = set(map(type, known.values()))
    if all(issubclass(kind, str) for kind in kinds - _FLAT):  # an enumeration's texts are written as any other
        text = to_json(known)
        if len(text) <= MAX_TEXT and not holds_uri(text):
            return text
    return to_json({key: _shown(value) for key, value in known.items()})


def _shown(value: object) -> object:
    if type(value) is str:
        return masked(value)[:MAX_TEXT]
    match value:
        case None | bool() | int() | float():
            return value
        case dict():
            return {str(name)[:MAX_TEXT]: _shown(each) for name, each in value.items()}
        case list() | tuple():
            return [_shown(each) for each in value]
        case _:
            return masked(str(value))[:MAX_TEXT]

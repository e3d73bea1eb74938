"""Events of one node on their way to another whose readers want them."""

import json
from collections.abc import Iterable
from typing import Any, Final

from attrs import frozen

from protocol.node.server_events import EventType, ServerEvent, data_of

MOST_EVENTS: Final = 100
"""Events in one batch: to read them takes half a millisecond."""


@frozen
class ForeignEvent:
    """An event as another node has written it."""

    type: EventType
    app: str | None
    name: str | None
    data: str


@frozen(kw_only=True)
class EventBatch:
    """Some events in their order. `number`: of the batch, from 1 on in each `run` of a sender, without holes."""

    run: str
    number: int
    events: tuple[ForeignEvent, ...]

    @classmethod
    def of(cls, run: str, number: int, events: Iterable[ServerEvent]) -> "EventBatch":
        foreign = (ForeignEvent(each.type, each.app, each.name, data_of(each.data)) for each in events)
        return cls(run=run, number=number, events=tuple(foreign))

    def encode(self) -> str:
        rows = [[each.type.value, each.app, each.name, each.data] for each in self.events]
        return json.dumps([self.run, self.number, rows], separators=(",", ":"))

    @classmethod
    def decode(cls, text: str) -> "EventBatch | None":
        """None for what is no batch. Events of types that this version does not know are left out."""
        try:
            run, number, rows = json.loads(text)
            events = tuple(_event(*row) for row in rows[:MOST_EVENTS] if row[0] in set(EventType))
        except (ValueError, TypeError, IndexError, KeyError, RecursionError):
            return None
        if type(run) is not str or type(number) is not int:
            return None
        return cls(run=run, number=number, events=events)


def _event(kind: str, app: Any, name: Any, data: Any) -> ForeignEvent:
    if not all(each is None or isinstance(each, str) for each in (app, name)) or not isinstance(data, str):
        raise TypeError("not an event")
    if not data.isprintable() or not data.isascii():  # a line break in it would begin another event
        raise ValueError("not one line")
    return ForeignEvent(EventType(kind), app, name, data)

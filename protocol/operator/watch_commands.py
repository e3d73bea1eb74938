"""The operator's commands that watch the server: its events, hooks and load, as frozen objects."""

import json
from collections.abc import Callable
from typing import Any

from attrs import frozen

from protocol.node.server_events import EventFilter, ServerEvent
from protocol.operator.grammar import CommandError, Words
from protocol.operator.messages import Row
from protocol.rest.errors import RestError
from protocol.rest.resources.events import CONDITIONS, parse_watch

MOST_SHOWN = 1000
"""Events that one answer may hold."""


@frozen(kw_only=True)
class ShowEvents:
    """`show events [TYPE|FIELD=VALUE...]`: the latest `count` that match."""

    filter: EventFilter
    count: int


@frozen(kw_only=True)
class TailEvents:
    """`tail [TYPE|FIELD=VALUE...]`: the latest `count` that match, or those `after` the event with this id, as they
    come."""

    filter: EventFilter
    count: int
    after: str | None


@frozen(kw_only=True)
class ShowHooks:
    """`show hooks`; `apps`: only those of these applications, None for all."""

    apps: frozenset[str] | None = None


@frozen(kw_only=True)
class ShowNodes:
    """`show nodes`"""


WatchCommand = ShowEvents | TailEvents | ShowHooks | ShowNodes


def event_row(event: ServerEvent) -> Row:
    """An event as one row: `time`, `type` and what else it tells."""
    _, _, data = event.data.partition(b"\ndata: ")
    fields: dict[str, Any] = json.loads(data)
    return {"time": fields.pop("time"), "type": event.type.value, **fields}


def _filter(words: Words) -> EventFilter:
    """Operands are types, or conditions FIELD=VALUE."""
    types = [word for word in words.operands if "=" not in word]
    given: dict[str, Any] = {"types": types} if types else {}
    for operand in words.operands:
        name, equals, value = operand.partition("=")
        if not equals:
            continue
        if name in given:
            raise CommandError(f"{name[:64]} is given twice")
        given[name] = [each for each in value.split(",") if each] if name == "types" else value
    try:
        return parse_watch(given, apps=None, table=CONDITIONS)
    except RestError as error:
        raise CommandError(error.message) from None


def _count(words: Words, name: str, default: int) -> int:
    written = words.options.get(name, str(default))
    if not (written.isascii() and written.isdecimal()) or len(written) > 4 or int(written) > MOST_SHOWN:
        raise CommandError(f"--{name} must be a number from 0 to {MOST_SHOWN}")
    return int(written)


BUILDERS: dict[str, Callable[[Words], WatchCommand]] = {
    "show events": lambda words: ShowEvents(filter=_filter(words), count=_count(words, "limit", 50)),
    "tail": lambda words: TailEvents(
        filter=_filter(words), count=_count(words, "lines", 10), after=words.options.get("after")
    ),
    "show hooks": lambda words: ShowHooks(),
    "show nodes": lambda words: ShowNodes(),
}

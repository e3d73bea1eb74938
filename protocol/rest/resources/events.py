"""The query of `/rest-api/events`: which events a reader wants."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from protocol.node.server_events import EventFilter, EventType
from protocol.rest.errors import bad_request
from protocol.rest.fields import TEXT, TEXTS, Field, FieldTable
from protocol.rest.scope import SCOPE

TYPES: Final = Field("types", TEXTS, "types of events, or groups such as `stream.*`; all by default")
APP_KEY: Final = Field("appKey", TEXT, "only events of this application")
NAME: Final = Field("name", TEXT, "only events about streams of this name")
WATCH: Final = FieldTable(TYPES, APP_KEY, NAME, SCOPE, noun="query parameter")
CONDITIONS: Final = FieldTable(*WATCH.fields.values(), noun="condition")
"""The same for commands."""


def parse_watch(given: Mapping[str, Any], *, apps: frozenset[str] | None, table: FieldTable = WATCH) -> EventFilter:
    """What the reader wants, and may see. RestError (400) for a type that there is not. `table`: what it is read by."""
    values = table.read(given)
    types = values[TYPES] or None
    for pattern in types or ():
        if not any(fnmatchcase(known, pattern) for known in EventType):
            raise bad_request(f"types has {pattern[:64]!r}; known here: {', '.join(EventType)}", key=TYPES.name)
    is_local = values[SCOPE] == "local"
    return EventFilter(types=types, app=values[APP_KEY], name=values[NAME], apps=apps, is_local=is_local)

"""The REST resource `/connection`: client sessions, one for each WebSocket.

The request keys are those of the WCS methods find and terminate. The connection object holds those WCS fields that we
have, and never `custom`.
"""

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from protocol.access.kicks import Kick
from protocol.node.descriptions import ConnectionDescription
from protocol.node.filters import ConnectionFilter
from protocol.rest.fields import TEXT, Field, FieldTable, FieldType, FieldValues
from protocol.rest.json_body import decode_object
from protocol.rest.kicks import BAN, BAN_RULES, CONNECTION_BAN_BY, REASON, kick_of
from protocol.rest.paging import LIMIT, OFFSET, Page, page_of
from protocol.rest.scope import SCOPE

SESSION_ID: Final = Field("sessionId", TEXT, "id of the session")
APP_KEY: Final = Field("appKey", TEXT, "key of the application")
CLIENT_VERSION: Final = Field("clientVersion", TEXT, "version of the WebSDK that the page uses")
ROOM_NAME: Final = Field("roomName", TEXT, "a room that the session is in")

_LEVELS: Final = {
    "error": "error",
    "warn": "warning",
    "warning": "warning",
    "info": "info",
    "debug": "debug",
    "trace": "debug",
}
"""Those of the WebSDK and of Java, in either case, and what they are here."""


def _read_level(value: object) -> str:
    known = _LEVELS.get(value.lower()) if isinstance(value, str) else None
    if known is None:
        raise ValueError
    return known


LOG_LEVEL: Final = Field(
    "logLevel",
    FieldType(
        "error, warn, info, debug or trace", _read_level, {"enum": [*_LEVELS, *(level.upper() for level in _LEVELS)]}
    ),
    "minimum level of the lines in the server's log that concern the session",
)

FILTER: Final = (SESSION_ID, APP_KEY, CLIENT_VERSION, ROOM_NAME)

TERMINATE: Final = FieldTable(*FILTER, needs_one="say whom to disconnect: sessionId, appKey, clientVersion or roomName")
TERMINATE_QUERY: Final = FieldTable(REASON, BAN, CONNECTION_BAN_BY, SCOPE, noun="query parameter", rules=BAN_RULES)
SET_LOG_LEVEL: Final = FieldTable(SESSION_ID, LOG_LEVEL, required=(SESSION_ID, LOG_LEVEL))
FIND: Final = FieldTable(*FILTER, OFFSET, LIMIT)


@frozen(kw_only=True)
class ConnectionQuery:
    """What a find asks for."""

    filter: ConnectionFilter
    page: Page


def parse_find(fields: Mapping[str, Any]) -> ConnectionQuery:
    """What a find asks for. RestError (400) for anything not exactly understood."""
    given = FIND.read(fields)
    return ConnectionQuery(filter=connection_filter(given), page=page_of(given))


def parse_kick(parameters: Mapping[str, str]) -> Kick | None:
    """The reason and the ban in the query string of a terminate request. RestError (400) for any other parameter."""
    return kick_of(TERMINATE_QUERY.read(parameters), CONNECTION_BAN_BY)


def parse_terminate(body: bytes) -> ConnectionFilter:
    """Which sessions to disconnect. RestError (400) for anything not exactly understood.

    At least one condition is required: WCS has no "disconnect everybody", and neither do we.
    """
    return connection_filter(TERMINATE.read(decode_object(body)))


def parse_set_log_level(body: bytes) -> tuple[ConnectionFilter, str]:
    """Which session, and the level. RestError (400) for anything not exactly understood."""
    given = SET_LOG_LEVEL.read(decode_object(body))
    return ConnectionFilter(session_id=given[SESSION_ID]), given[LOG_LEVEL] or ""


def connection_filter(given: FieldValues) -> ConnectionFilter:
    """The conditions among the values of a table that contains `FILTER`."""
    return ConnectionFilter(
        session_id=given[SESSION_ID],
        app_key=given[APP_KEY],
        client_version=given[CLIENT_VERSION],
        room_name=given[ROOM_NAME],
    )


def connection_object(connection: ConnectionDescription) -> dict[str, Any]:
    """The WCS connection object, as far as it applies, plus `streams`: how many streams the connection has."""
    return {
        "nodeId": connection.node_id,
        "appKey": connection.app_key,
        "sessionId": connection.session_id,
        "status": connection.status,
        "clientVersion": connection.client_version,
        "clientOSVersion": connection.client_os_version,
        "clientBrowserVersion": connection.client_browser_version,
        "mediaProviders": list(connection.media_providers),
        "origin": connection.origin,
        "createDate": connection.create_date,
        "streams": connection.streams,
        "rooms": list(connection.room_names),
    }

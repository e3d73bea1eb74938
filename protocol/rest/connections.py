"""The REST resource `/connection`: client sessions, one for each WebSocket.

The request keys are those of the WCS methods find and terminate; the connection object holds what WCS shows and we
have, never `custom`.
"""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from protocol.node.descriptions import ConnectionDescription
from protocol.node.filters import ConnectionFilter
from protocol.rest.errors import bad_request
from protocol.rest.fields import decode_object, read_text, refuse_unknown
from protocol.rest.paging import PAGE_KEYS, Page, read_page

FILTER_KEYS = frozenset({"sessionId", "appKey", "clientVersion"})


@frozen(kw_only=True)
class ConnectionQuery:
    """What a find asks for."""

    filter: ConnectionFilter
    page: Page


def parse_find(fields: Mapping[str, Any]) -> ConnectionQuery:
    """What a find asks for; RestError (400) on anything that is not exactly understood."""
    refuse_unknown(fields, FILTER_KEYS | PAGE_KEYS)
    return ConnectionQuery(filter=read_filter(fields), page=read_page(fields))


def parse_terminate(body: bytes) -> ConnectionFilter:
    """Whom to disconnect; RestError (400) on anything that is not exactly understood.

    At least one condition is needed: WCS knows no "disconnect everybody", and neither do we.
    """
    fields = decode_object(body)
    refuse_unknown(fields, FILTER_KEYS)
    query = read_filter(fields)
    if query.is_everything:
        raise bad_request("say whom to disconnect: sessionId, appKey or clientVersion", key="sessionId")
    return query


def read_filter(fields: Mapping[str, Any]) -> ConnectionFilter:
    """The conditions among `fields`; RestError (400) on a value of the wrong type."""
    return ConnectionFilter(
        session_id=read_text(fields, "sessionId"),
        app_key=read_text(fields, "appKey"),
        client_version=read_text(fields, "clientVersion"),
    )


def connection_object(connection: ConnectionDescription) -> dict[str, Any]:
    """The connection object of WCS, as far as it applies, with `streams`: how many streams hang on it."""
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
    }

"""The REST resource `/data`, and `/stream/event/send`: what a backend sends to pages.

`data/send` and `stream/event/send` are WCS's (WCS page "REST API, examples"), `data/broadcast` is not.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from attrs import frozen

from protocol.common.json_bounds import json_is_larger
from protocol.node.client_data import ClientData
from protocol.node.filters import ConnectionFilter
from protocol.rest.errors import RestError, bad_request
from protocol.rest.fields import ANYTHING, FLAG, TEXT, TEXTS, Field, FieldTable, FieldType, FieldValues
from protocol.rest.json_body import decode_object
from protocol.rest.resources import connections

ENVELOPE: Final = 65536
"""Bytes of a request's body that `data.max_size` must leave to everything but the payload."""
LONGEST_OPERATION_ID: Final = 256
"""Characters. A client's confirmation could not repeat a longer one."""


# -- requests: their fields ------------------------------------------------------------------------------------------


def _read_operation_id(value: Any) -> str:
    text = TEXT.read(value)
    if len(text) > LONGEST_OPERATION_ID:
        raise ValueError(f"must have {LONGEST_OPERATION_ID} characters at most")
    return text


_SHORT_TEXT: Final = FieldType(
    "a string",
    _read_operation_id,
    {"anyOf": [{"type": "string", "maxLength": LONGEST_OPERATION_ID}, {"type": "integer"}]},
)

OPERATION_ID: Final = Field("operationId", _SHORT_TEXT, "id that the page gets with the data, and may confirm")
PAYLOAD: Final = Field("payload", ANYTHING, "the data: any JSON value")
SESSION_ID: Final = Field("sessionId", TEXT, "id of a session that gets the data")
SESSION_IDS: Final = Field("sessionIds", TEXTS, "ids of sessions that get the data; an empty array names none")
NODE_ID: Final = Field("nodeId", TEXT, "id of the server that the sessions are on")
VERBOSE: Final = Field("verbose", FLAG, "list the sessions that do not exist")
STREAM_NAME: Final = Field("streamName", TEXT, "name of a stream: sessions that publish or play it")
EVENT_STREAM: Final = Field("streamName", TEXT, "name of the stream whose players get the event")
ALL: Final = Field("all", FLAG, "true: every session, in place of conditions")

SEND: Final = FieldTable(
    OPERATION_ID,
    PAYLOAD,
    SESSION_ID,
    SESSION_IDS,
    NODE_ID,
    required=[PAYLOAD],
    rules="`sessionId` or `sessionIds` must be given.",
)
SEND_QUERY: Final = FieldTable(VERBOSE, noun="query parameter")
BROADCAST: Final = FieldTable(
    OPERATION_ID,
    PAYLOAD,
    *connections.FILTER,
    STREAM_NAME,
    ALL,
    required=[PAYLOAD],
    rules="Either a condition must be given, or `all`.",
)
EVENT: Final = FieldTable(EVENT_STREAM, PAYLOAD, required=[EVENT_STREAM, PAYLOAD])


# -- requests ------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class SendRequest:
    """Data for the sessions named, each once."""

    data: ClientData
    session_ids: tuple[str, ...]
    node_id: str | None


@frozen(kw_only=True)
class BroadcastRequest:
    """Data for every session that matches: `filter`, and `stream_name` if it is given."""

    data: ClientData
    filter: ConnectionFilter
    stream_name: str | None


@frozen(kw_only=True)
class EventRequest:
    """Data for the players of a stream."""

    stream_name: str
    payload: Any


def parse_send(body: bytes, *, max_size: int) -> SendRequest:
    """A `data/send`. RestError: 400 for anything not exactly understood, 413 for a payload above `max_size` bytes."""
    given = SEND.read(decode_object(body))
    one, several = given[SESSION_ID], given[SESSION_IDS]
    if one is None and several is None:
        raise bad_request("say who gets the data: sessionId or sessionIds", key="sessionId")
    named = ((one,) if one is not None else ()) + (several or ())
    data = _data(given, max_size, "data.max_size")
    return SendRequest(data=data, session_ids=tuple(dict.fromkeys(named)), node_id=given[NODE_ID])


def parse_broadcast(body: bytes, *, max_size: int) -> BroadcastRequest:
    """A `data/broadcast`. RestError: 400 for anything not exactly understood, 413 for a payload above `max_size` bytes.

    Everybody must be asked for by name: a condition that got lost must not send a private text to all.
    """
    given = BROADCAST.read(decode_object(body))
    query, name = connections.connection_filter(given), given[STREAM_NAME]
    has_condition = name is not None or not query.is_everything
    if has_condition and given[ALL]:
        raise bad_request("`all` contradicts the conditions given: leave one of them out", key="all")
    if not has_condition and not given[ALL]:
        conditions = ", ".join((*(field.name for field in connections.FILTER), "streamName"))
        raise bad_request(f'say who gets the data: {conditions}, or "all": true', key="all")
    data = _data(given, max_size, "max_stream_event_size")
    return BroadcastRequest(data=data, filter=query, stream_name=name)


def parse_event(body: bytes, *, max_size: int) -> EventRequest:
    """A `stream/event/send`. RestError: 400 or 413, as above."""
    given = EVENT.read(decode_object(body))
    payload = _payload(given, max_size, "max_stream_event_size")
    return EventRequest(stream_name=given[EVENT_STREAM] or "", payload=payload)


def parse_verbose(parameters: Mapping[str, str]) -> bool:
    """Whether the query string of a `data/send` says `verbose=true`. RestError (400) for anything else."""
    return SEND_QUERY.read(parameters)[VERBOSE] or False


def _data(given: FieldValues, max_size: int, setting: str) -> ClientData:
    return ClientData(_payload(given, max_size, setting), operation_id=given[OPERATION_ID])


def _payload(given: FieldValues, max_size: int, setting: str) -> Any:
    payload = given[PAYLOAD]
    if is_larger(payload, max_size):
        reason = f"the payload is larger than {max_size} bytes (setting {setting})"
        raise RestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason, key="payload", setting=setting)
    return payload


def is_larger(payload: Any, limit: int) -> bool:
    """Whether `payload`, as compact JSON in UTF-8, has more than `limit` bytes. RestError (400) if it is not JSON."""
    try:
        return json_is_larger(payload, limit)
    except ValueError:  # 1e999 is read as infinity
        raise bad_request("payload holds a number that is too large", key="payload") from None

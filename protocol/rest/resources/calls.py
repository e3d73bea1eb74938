"""The REST resource `/call`, as in WCS: calls by SIP are found, sent digits, and ended."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from protocol.calls.description import CallDescription, call_object
from protocol.calls.dtmf import DIGITS, KINDS, MAX_QUEUE, RFC2833, DigitsRefused, checked_digits
from protocol.calls.filters import CallFilter
from protocol.rest.fields import TEXT, Field, FieldTable, FieldType, FieldValues, one_of
from protocol.rest.json_body import decode_object
from protocol.rest.paging import LIMIT, OFFSET, Page, page_of
from protocol.rest.schemas import BOOLEAN, COUNT, TIME_MS, array_of, described, object_of
from protocol.rest.schemas import TEXT as TEXT_SCHEMA

CALL_ID: Final = Field("callId", TEXT, "id of the call")
CALLEE: Final = Field("callee", TEXT, "who is called, as it was asked for")
STATUS: Final = Field("status", TEXT, "such as TRYING, RING, ESTABLISHED or HOLD")
SESSION_ID: Final = Field("sessionId", TEXT, "id of the page's session")
APP_KEY: Final = Field("appKey", TEXT, "key of the application")


def _read_digits(value: Any) -> str:
    try:
        return checked_digits(TEXT.read(value))
    except DigitsRefused as refused:
        raise ValueError(refused.message) from None


_DIGITS: Final = FieldType(
    f"1 to {MAX_QUEUE} digits of {DIGITS}",
    _read_digits,
    {"type": "string", "pattern": f"^[{DIGITS}a-d]{{1,{MAX_QUEUE}}}$"},
)

FIND: Final = FieldTable(CALL_ID, CALLEE, STATUS, SESSION_ID, APP_KEY, OFFSET, LIMIT)
DTMF: Final = Field("dtmf", _DIGITS, "what is sent, one digit after the other")
TYPE: Final = Field("type", one_of(*KINDS), "how they are sent; RFC2833, if it is absent")

TERMINATE: Final = FieldTable(CALL_ID, required=[CALL_ID])
SEND_DTMF: Final = FieldTable(CALL_ID, DTMF, TYPE, required=[CALL_ID, DTMF])

CALL: Final = object_of(
    "Call",
    nodeId=TEXT_SCHEMA,
    appKey=TEXT_SCHEMA,
    sessionId=TEXT_SCHEMA,
    callId=TEXT_SCHEMA,
    incoming=described(BOOLEAN, "true: a phone has called the page"),
    status=described(TEXT_SCHEMA, "such as ESTABLISHED"),
    caller=TEXT_SCHEMA,
    callee=TEXT_SCHEMA,
    hasAudio=BOOLEAN,
    hasVideo=BOOLEAN,
    mediaProvider=TEXT_SCHEMA,
    isMsrp=BOOLEAN,
    holdForTransfer=BOOLEAN,
    createDate=TIME_MS,
    optional={
        "sipStatus": described(COUNT, "of the last response"),
        "visibleName": TEXT_SCHEMA,
        "info": described(TEXT_SCHEMA, "why it has its status"),
    },
)
CALLS: Final = array_of(CALL)


@frozen(kw_only=True)
class CallQuery:
    """What a find asks for."""

    filter: CallFilter
    page: Page


def parse_find(fields: Mapping[str, Any]) -> CallQuery:
    """What a find asks for. RestError (400) for anything not exactly understood."""
    given = FIND.read(fields)
    return CallQuery(filter=call_filter(given), page=page_of(given))


def parse_terminate(body: bytes) -> CallFilter:
    """Which call to end. RestError (400) for anything not exactly understood."""
    return call_filter(TERMINATE.read(decode_object(body)))


@frozen(kw_only=True)
class DigitOrder:
    """Digits, and the call whose phone is to get them."""

    filter: CallFilter
    digits: str = field(repr=False)
    kind: str


def parse_send_dtmf(body: bytes) -> DigitOrder:
    """What to send, and in which call. RestError (400) for anything not exactly understood."""
    given = SEND_DTMF.read(decode_object(body))
    return DigitOrder(filter=call_filter(given), digits=given[DTMF] or "", kind=given[TYPE] or RFC2833)


def shown_call(call: CallDescription) -> dict[str, Any]:
    """The `Call` of WCS, but never `custom`, which may hold secrets of the page."""
    shown = call_object(call)
    shown.pop("custom", None)
    return {**shown, "createDate": call.create_date}


def call_filter(given: FieldValues) -> CallFilter:
    """The conditions among fields that FIND has read."""
    return CallFilter(
        call_id=given[CALL_ID],
        callee=given[CALLEE],
        status=given[STATUS],
        session_id=given[SESSION_ID],
        app_key=given[APP_KEY],
    )

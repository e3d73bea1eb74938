"""Query parameters of requests that end something: the reason to tell, and how long to keep out whom it concerns."""

from typing import Any, Final

from protocol.access.kicks import BanBy, BanOrder, Kick
from protocol.common.durations import PATTERN, read_duration
from protocol.rest.errors import bad_request
from protocol.rest.fields import Field, FieldType, FieldValues, one_of

MAX_REASON: Final = 256
MAX_DURATION: Final = 30 * 86_400.0
"""Seconds."""


def _read_reason(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_REASON or not value.isprintable():
        raise ValueError
    return value


def _read_time(value: Any) -> float:
    if not isinstance(value, str):
        raise ValueError
    return read_duration(value, most=MAX_DURATION)


_REASON_TYPE: Final = FieldType(
    f"printable text of 1 to {MAX_REASON} characters",
    _read_reason,
    {"type": "string", "pattern": f"^[^\\x00-\\x1f\\x7f-\\xa0]{{1,{MAX_REASON}}}$"},
)
DURATION: Final = FieldType(
    "a time such as 30s, 10m, 2h or 7d, of 30 days at most",
    _read_time,
    {"type": "string", "pattern": f"^{PATTERN}$"},
)

REASON: Final = Field("reason", _REASON_TYPE, "text for client and backend, in place of `Stopped by rest /terminate`")
BAN: Final = Field("ban", DURATION, "how long what is ended may not begin again")
STREAM_BAN_BY: Final = Field(
    "ban_by",
    one_of(*BanBy),
    "who may not: everybody for this stream's name, this user, or this address; default: publications by name,"
    " playbacks by user",
)
CONNECTION_BAN_BY: Final = Field(
    "ban_by", one_of(BanBy.USER, BanBy.ADDRESS), "who may not: this user (default), or this address"
)

BAN_RULES: Final = "`ban_by` needs `ban`."


def kick_of(given: FieldValues, ban_by: Field[str]) -> Kick | None:
    """What the parameters ask for; None if nothing. RestError (400) for `ban_by` without `ban`."""
    reason, seconds, by = given[REASON], given[BAN], given[ban_by]
    if seconds is None:
        if by is not None:
            raise bad_request("ban_by needs ban, the time", key=ban_by.name)
        return None if reason is None else Kick(reason=reason)
    order = BanOrder(seconds=seconds, by=None if by is None else BanBy(by), reason=reason)
    return Kick(reason=reason, ban=order)

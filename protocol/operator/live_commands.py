"""The operator's commands about what is live: streams, sessions, rooms and bans, found as REST finds them.

Conditions, and `limit` and `offset`, have the names of the REST API and are read by its tables.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from attrs import field, frozen

from protocol.access.kicks import Kick
from protocol.calls.filters import CallFilter
from protocol.common.suggestions import did_you_mean, shortened
from protocol.node.filters import ConnectionFilter, RoomFilter, StreamFilter
from protocol.operator.grammar import CommandError, Words
from protocol.operator.messages import Row
from protocol.operator.syntax import (
    BAN_ORDERS,
    CALL_ORDERS,
    REGISTRATION_ORDERS,
    ROOM_ORDERS,
    SESSION_ORDERS,
    STREAM_ORDERS,
)
from protocol.rest.errors import RestError
from protocol.rest.fields import TEXT, Field, FieldTable, one_of
from protocol.rest.paging import LIMIT, OFFSET, Page, page_of
from protocol.rest.resources import bans, calls, connections, rooms, streams
from protocol.sip.accounts.account_states import RegistrationDescription, RegistrationState


@frozen(kw_only=True)
class Order:
    """What a list is sorted by."""

    key: str
    """A column."""
    is_descending: bool = False

    def of(self, rows: Iterable[Row]) -> list[Row]:
        """The rows in this order. Those without a value come last."""
        known = list(rows)
        present = [row for row in known if row.get(self.key) is not None]
        missing = [row for row in known if row.get(self.key) is None]
        return sorted(present, key=self._value, reverse=self.is_descending) + missing

    def _value(self, row: Row) -> Any:
        value = row[self.key]
        return value.casefold() if isinstance(value, str) else value


@frozen(kw_only=True)
class Listing:
    """What the commands that list have in common. `order`: None for the oldest first."""

    page: Page = field(factory=Page)
    order: Order | None = None
    detail: bool = False


@frozen(kw_only=True)
class ShowStreams(Listing):
    """`show streams [FIELD=VALUE...]`"""

    filter: StreamFilter = field(factory=StreamFilter)


@frozen(kw_only=True)
class ShowTop(ShowStreams):
    """`top [FIELD=VALUE...]`: what `show streams` shows, the largest first, again and again."""

    words: tuple[str, ...]
    """How it was given."""


@frozen(kw_only=True)
class ShowSessions(Listing):
    """`show sessions [FIELD=VALUE...]`"""

    filter: ConnectionFilter = field(factory=ConnectionFilter)


@frozen(kw_only=True)
class ShowRooms(Listing):
    """`show rooms [FIELD=VALUE...]`"""

    filter: RoomFilter = field(factory=RoomFilter)


@frozen(kw_only=True)
class ShowCalls(Listing):
    """`show calls [FIELD=VALUE...]`"""

    filter: CallFilter = field(factory=CallFilter)


@frozen(kw_only=True)
class ShowRegistrations(Listing):
    """`show registrations [FIELD=VALUE...]`; None matches everything."""

    account: str | None = None
    state: str | None = None

    def matches(self, registration: RegistrationDescription) -> bool:
        return self.account in (None, registration.account) and self.state in (None, registration.state)


@frozen(kw_only=True)
class ShowBans(Listing):
    """`show bans [FIELD=VALUE...]`"""

    filter: bans.BanFilter = field(factory=bans.BanFilter)


@frozen(kw_only=True)
class RemoveBans:
    """`remove bans FIELD=VALUE...`"""

    filter: bans.BanFilter


@frozen(kw_only=True)
class TerminateStreams:
    """`terminate [FIELD=VALUE...]`. Unless it `is_confirmed`, only the number of streams is told."""

    filter: StreamFilter
    kick: Kick | None = None
    dry_run: bool = False
    is_confirmed: bool = False


LiveCommand = (
    ShowStreams | ShowSessions | ShowRooms | ShowCalls | ShowRegistrations | ShowBans | RemoveBans | TerminateStreams
)

_PAGING = FieldTable(LIMIT, OFFSET, noun="option")


def _conditions(words: Words) -> dict[str, str]:
    """The operands FIELD=VALUE."""
    given: dict[str, str] = {}
    for operand in words.operands:
        name, equals, value = operand.partition("=")
        if not equals:
            raise CommandError(f"a condition must be FIELD=VALUE, not {shortened(operand)}")
        if name in given:
            raise CommandError(f"{shortened(name)} is given twice")
        given[name] = value
    return given


def _table(fields: FieldTable) -> FieldTable:
    """The conditions among the fields of a request that finds something."""
    left_out = {"offset", "limit", "display"}
    return FieldTable(*(each for name, each in fields.fields.items() if name not in left_out), noun="condition")


_STREAMS, _SESSIONS = _table(streams.FIND), _table(connections.FIND)
_ROOMS, _BANS, _CALLS = _table(rooms.FIND), _table(bans.FIND), _table(calls.FIND)
_ACCOUNT, _STATE = Field("account", TEXT, "user@domain"), Field("state", one_of(*RegistrationState), "how it stands")
_REGISTRATIONS = FieldTable(_ACCOUNT, _STATE, noun="condition")


def _listing(words: Words, orders: tuple[str, ...]) -> Mapping[str, Any]:
    paging = {name: words.options[name] for name in ("limit", "offset") if name in words.options}
    page = page_of(_PAGING.read(paging))
    return {"page": page, "order": _order(words, orders), "detail": "detail" in words.options}


def _order(words: Words, orders: tuple[str, ...]) -> Order | None:
    written = words.options.get("sort")
    if written is None:
        return None
    key = written.removeprefix("-")
    if key not in orders:
        raise CommandError(f"--sort must be one of {', '.join(orders)}{did_you_mean(key, orders)}")
    return Order(key=key, is_descending=written != key)


def _build_show_streams(words: Words) -> ShowStreams:
    given = _STREAMS.read(_STREAMS.from_query(_conditions(words)))
    return ShowStreams(filter=streams.stream_filter(given), **_listing(words, STREAM_ORDERS))


def _build_top(words: Words) -> ShowTop:
    options = {"sort": "-kbps", "limit": "50", **words.options}
    streams = _build_show_streams(Words(words.operands, options))
    given = [part for name in ("sort", "limit") if name in words.options for part in (f"--{name}", words.options[name])]
    return ShowTop(filter=streams.filter, page=streams.page, order=streams.order, words=(*given, *words.operands))


def _build_show_sessions(words: Words) -> ShowSessions:
    given = _SESSIONS.read(_conditions(words))
    return ShowSessions(filter=connections.connection_filter(given), **_listing(words, SESSION_ORDERS))


def _build_show_rooms(words: Words) -> ShowRooms:
    return ShowRooms(filter=rooms.room_filter(_ROOMS.read(_conditions(words))), **_listing(words, ROOM_ORDERS))


def _build_show_calls(words: Words) -> ShowCalls:
    return ShowCalls(filter=calls.call_filter(_CALLS.read(_conditions(words))), **_listing(words, CALL_ORDERS))


def _build_show_registrations(words: Words) -> ShowRegistrations:
    given = _REGISTRATIONS.read(_conditions(words))
    return ShowRegistrations(account=given[_ACCOUNT], state=given[_STATE], **_listing(words, REGISTRATION_ORDERS))


def _build_show_bans(words: Words) -> ShowBans:
    return ShowBans(filter=bans.ban_filter(_BANS.read(_conditions(words))), **_listing(words, BAN_ORDERS))


def _build_remove_bans(words: Words) -> RemoveBans:
    conditions = _conditions(words)
    if not conditions:
        raise CommandError("say which bans to lift, as FIELD=VALUE")
    return RemoveBans(filter=bans.ban_filter(_BANS.read(conditions)))


def _build_terminate(words: Words) -> TerminateStreams:
    query = streams.stream_filter(_STREAMS.read(_STREAMS.from_query(_conditions(words))))
    if query.is_everything is not ("all" in words.options):
        raise CommandError("give either conditions or --all")
    names = ("reason", "ban", "ban_by")
    kick = streams.parse_kick({name: words.options[name] for name in names if name in words.options})
    return TerminateStreams(
        filter=query, kick=kick, dry_run="dry_run" in words.options, is_confirmed="yes" in words.options
    )


_OPTIONS: Final = ("ban_by", "ban", "reason", "limit", "offset")
"""Fields of REST that are options of commands; conditions have the same name in both."""


def _read(build: Callable[[Words], LiveCommand]) -> Callable[[Words], LiveCommand]:
    """`build`, with the errors of REST's tables as those of commands."""

    def build_command(words: Words) -> LiveCommand:
        try:
            return build(words)
        except RestError as error:
            is_of_option = error.key in _OPTIONS and error.message.startswith(f"{error.key} ")
            raise CommandError(_with_options(error.message) if is_of_option else error.message) from None

    return build_command


def _with_options(message: str) -> str:
    """The message about a field of REST, with the fields as the options that they are here."""
    return re.sub(rf"\b(?:{'|'.join(_OPTIONS)})\b", lambda found: f"--{found[0].replace('_', '-')}", message)


BUILDERS: dict[str, Callable[[Words], LiveCommand]] = {
    "show streams": _read(_build_show_streams),
    "top": _read(_build_top),
    "show sessions": _read(_build_show_sessions),
    "show rooms": _read(_build_show_rooms),
    "show calls": _read(_build_show_calls),
    "show registrations": _read(_build_show_registrations),
    "show bans": _read(_build_show_bans),
    "remove bans": _read(_build_remove_bans),
    "terminate": _read(_build_terminate),
}

"""The REST resource `/bans`: who may not connect, publish, play or join a room for a while."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from protocol.access.bans import Ban, BanAction
from protocol.rest.fields import TEXT, Field, FieldTable, FieldValues, one_of
from protocol.rest.json_body import decode_object
from protocol.rest.paging import LIMIT, OFFSET, Page, page_of
from protocol.rest.schemas import OPTIONAL_TEXT, TIME_MS, described, object_of
from protocol.rest.schemas import TEXT as TEXT_SCHEMA

SHOWN_DIGEST: Final = 16
"""Hexadecimal digits of a token's digest that are shown."""

ID: Final = Field("id", TEXT, "id of one ban")
APP_KEY: Final = Field("appKey", TEXT, "key of the application")
ACTION: Final = Field("action", one_of(*BanAction), "what is forbidden")
NAME: Final = Field("name", TEXT, "name of the streams, or of the room")
WHO: Final = Field("who", TEXT, "whom it concerns, as find_all shows it, such as user:alice")

FILTER: Final[tuple[Field[Any], ...]] = (ID, APP_KEY, ACTION, NAME, WHO)
FIND: Final = FieldTable(*FILTER, OFFSET, LIMIT)
REMOVE: Final = FieldTable(*FILTER, needs_one="say which bans to lift: id, appKey, action, name or who")

BAN: Final = object_of(
    "Ban",
    id=TEXT_SCHEMA,
    appKey=TEXT_SCHEMA,
    action=described({"enum": list(BanAction)}, "what is forbidden; connect includes the others"),
    name=described(OPTIONAL_TEXT, "name of the streams, or of the room; null for connect"),
    who=described(OPTIONAL_TEXT, "`user:`, `token:` (digest), `address:` or `session:` and the value; null: everybody"),
    reason=OPTIONAL_TEXT,
    createDate=TIME_MS,
    expireDate=TIME_MS,
)


@frozen(kw_only=True)
class BanFilter:
    """Conditions on bans, combined with AND; None: not given. `app_keys`: the caller's applications."""

    id: str | None = None
    app_key: str | None = None
    action: str | None = None
    name: str | None = None
    who: str | None = None
    app_keys: frozenset[str] | None = None

    def matches(self, ban: Ban) -> bool:
        """Whether `ban` fulfils every condition given."""
        return (
            self.id in (None, ban.id)
            and self.app_key in (None, ban.app_key)
            and self.action in (None, ban.action)
            and self.name in (None, ban.name)
            and self.who in (None, shown_who(ban))
            and (self.app_keys is None or ban.app_key in self.app_keys)
        )


def parse_find(fields: Mapping[str, Any]) -> tuple[BanFilter, Page]:
    """Which bans to show. RestError (400) for anything not exactly understood."""
    given = FIND.read(fields)
    return ban_filter(given), page_of(given)


def parse_remove(body: bytes) -> BanFilter:
    """Which bans to lift. RestError (400) for anything not exactly understood, and for no condition."""
    return ban_filter(REMOVE.read(decode_object(body)))


def ban_filter(given: FieldValues) -> BanFilter:
    """The conditions among the values of a table that contains them."""
    return BanFilter(id=given[ID], app_key=given[APP_KEY], action=given[ACTION], name=given[NAME], who=given[WHO])


def ban_object(ban: Ban) -> dict[str, Any]:
    """A ban as REST shows it."""
    return {
        "id": ban.id,
        "appKey": ban.app_key,
        "action": str(ban.action),
        "name": ban.name,
        "who": shown_who(ban),
        "reason": ban.reason,
        "createDate": round(ban.created * 1000),
        "expireDate": round(ban.until * 1000),
    }


def shown_who(ban: Ban) -> str | None:
    """Whom it concerns. Of a token, only the beginning of its digest."""
    kind, _, value = (ban.who or "").partition(":")
    return f"token:{value[:SHOWN_DIGEST]}" if kind == "token" else ban.who

"""The applications of this server: which backend gets which client's hooks, and by which REST methods.

A client selects an application by its *key* when it connects; the application defines where hooks go and which of
them are sent at all. Operators know an application by its *name*. (WCS: "Applications management".)
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from attrs import Attribute, evolve, field, frozen

from protocol.common.masking import masked_uri
from protocol.common.suggestions import did_you_mean, shortened
from protocol.hooks.breaker import OnBreaker
from protocol.hooks.kept_hook import KeepPolicy
from protocol.hooks.methods import UNUSED_METHODS, HookMethod
from protocol.hooks.webhook_signature import read_secret

ALL_METHODS: tuple[str, ...] = tuple(method.value for method in HookMethod)
"""Every REST method this server can call, in the order of the reference."""
BY_NAME = frozenset({HookMethod.SERVER_STATUS_EVENT.value, HookMethod.RECORDING_STATUS_EVENT.value})
"""Applications get these only by name: a backend of WCS does not know them, or not what is in them, and answers 404."""
USUAL_METHODS: tuple[str, ...] = tuple(name for name in ALL_METHODS if name not in BY_NAME)
"""Those that backends of WCS know."""

ECHO_APP_URL = "http://localhost:8081/apps/EchoApp"
"""The built-in backend, which agrees to everything."""
ROOM_APP_URL = "http://localhost:8081/apps/RoomApp"
"""The same for rooms: anybody may join any room, publish and play."""

MAX_IDENTIFIER_LENGTH = 128
MAX_LABEL_LENGTH = 1024
MAX_URL_LENGTH = 2048


class AppError(ValueError):
    """An application, or a change to one, that cannot be accepted. The message is for the operator.

    `field` is the invalid field of `App`; `position` is the application's index in the table.
    """

    def __init__(self, message: str, *, field: str | None = None, position: int | None = None) -> None:
        super().__init__(message if field is None else f"{field}: {message}")
        self.field = field
        self.position = position


class TakenError(AppError):
    """A name or key that another application of the table has."""


def _text(value: object, what: str, max_length: int) -> str:
    if not isinstance(value, str):
        raise AppError("must be text", field=what)
    if not value:
        raise AppError("must not be empty", field=what)
    if len(value) > max_length:
        raise AppError(f"must not be longer than {max_length} characters", field=what)
    if not value.isprintable():
        raise AppError("must not hold control characters", field=what)
    return value


def _check_identifier(_: "App", attribute: "Attribute[str]", value: object) -> None:
    """Names and keys are typed in shells and listed with commas in settings; both have to work."""
    text = _text(value, attribute.name, MAX_IDENTIFIER_LENGTH)
    if text.startswith("-") or "," in text or any(character.isspace() for character in text):
        raise AppError(f"{text!r} must not start with '-' or hold a comma or a blank", field=attribute.name)


def _check_label(_: "App", attribute: "Attribute[str | None]", value: object) -> None:
    if value is not None:
        _text(value, attribute.name, MAX_LABEL_LENGTH)


def _check_username(app: "App", attribute: "Attribute[str | None]", value: str | None) -> None:
    _check_label(app, attribute, value)
    if value is not None and ":" in value:  # RFC 7617 section 2: the first colon ends the user's name
        raise AppError("must not hold ':'", field=attribute.name)


def _check_password(app: "App", attribute: "Attribute[str | None]", value: str | None) -> None:
    _check_label(app, attribute, value)
    if value is not None and app.rest_username is None:
        raise AppError("needs a rest_username", field=attribute.name)


def _check_url(_: "App", __: "Attribute[str]", value: object) -> None:
    url = _text(value, "url", MAX_URL_LENGTH)
    fault = _url_fault(url)
    if fault is not None:
        raise AppError(f"{masked_uri(url)!r} {fault}", field="url")


def _url_fault(url: str) -> str | None:
    """What is wrong with a hook URL, or None. Method names are appended to it, so nothing may follow the path."""
    if not url.isascii() or any(character in url for character in ' "<>\\^`{|}'):
        return "must be plain ASCII; write other characters as %XX, and a host's as xn--..."
    try:
        parts = urlsplit(url)
        port = parts.port
        if parts.hostname is not None and (":" in parts.hostname or re.fullmatch("[0-9.]+", parts.hostname)):
            ip_address(parts.hostname)
    except ValueError as error:
        return f"is not a URL: {error}"
    if parts.scheme not in ("http", "https"):
        return "must start with http:// or https://"
    if "@" in parts.netloc:
        return "must not hold a user name or password; use -u and -p"
    if not parts.hostname or "%" in parts.hostname:
        return "names no host"
    if port == 0:
        return "has no usable port"
    if "?" in url or "#" in url:
        return "must not have a query or a fragment: the method's name is appended to it"
    return None


def _check_methods(_: "App", __: "Attribute[frozenset[str]]", value: frozenset[str]) -> None:
    for method in sorted(value):
        check_method(method)


def _check_rooms(_: "App", __: "Attribute[bool]", value: object) -> None:
    if not isinstance(value, bool):
        raise AppError("must be true or false", field="rooms")


def check_method(name: str) -> None:
    """Raise AppError, with the nearest name, unless `name` is a REST method of this server (case-sensitive)."""
    if name in UNUSED_METHODS:
        raise AppError(f"REST method {name!r} exists in WCS, but this server never calls it", field="methods")
    if name not in ALL_METHODS:
        raise AppError(f"unknown REST method {shortened(name)}{did_you_mean(name, ALL_METHODS)}", field="methods")


def _check_secret(_: "App", attribute: "Attribute[str | None]", value: str | None) -> None:
    _check_label(_, attribute, value)
    if value is not None:
        try:
            read_secret(value)
        except ValueError as error:
            raise AppError(str(error), field=attribute.name) from None


def _check_time(_: "App", attribute: "Attribute[str | None]", value: str | None) -> None:
    _check_label(_, attribute, value)
    try:
        _seconds(value)
    except ValueError:
        raise AppError("must be a time such as 2027-01-31T12:00:00+00:00", field=attribute.name) from None


def _seconds(time: str | None) -> float:
    """Seconds since the epoch; 0 for none."""
    if time is None:
        return 0.0
    moment = datetime.fromisoformat(time)
    if moment.tzinfo is None:
        raise ValueError
    return moment.timestamp()


def _check_choice(choices: type[StrEnum]) -> Callable[["App", "Attribute[str | None]", str | None], None]:
    def check(_: "App", attribute: "Attribute[str | None]", value: str | None) -> None:
        if value is not None and value not in list(choices):
            raise AppError(f"must be one of {', '.join(choices)}", field=attribute.name)

    return check


@frozen(kw_only=True)
class App:
    """One application. Every field is checked; AppError names the invalid one.

    `name` and `key` are case-sensitive and unique on a server. `url` is the base URL of its hooks. `methods` are the
    hooks that are sent; all others count as allowed. `rest_username` and `rest_password` are sent to the backend as
    HTTP Basic. With a `webhook_secret` hooks are signed (`protocol/hooks/webhook_signature.py`), and also with the old
    one until `old_webhook_secret_until`, a time in ISO 8601 with its zone. `on_breaker` and `spool` are values of
    OnBreaker and KeepPolicy, or None for the default. With `rooms`, its clients' room commands and
    their streams in rooms are served here; without, both are between pages and backend. `owner`, `main_class` and
    `callback_class` are kept for operators who come from WCS and have no effect.
    """

    name: str = field(validator=_check_identifier)
    key: str = field(validator=_check_identifier)
    url: str = field(validator=_check_url)
    methods: frozenset[str] = field(default=frozenset(), validator=_check_methods)
    rooms: bool = field(default=False, validator=_check_rooms)
    rest_username: str | None = field(default=None, validator=_check_username)
    rest_password: str | None = field(default=None, repr=False, validator=_check_password)
    webhook_secret: str | None = field(default=None, repr=False, validator=_check_secret)
    old_webhook_secret: str | None = field(default=None, repr=False, validator=_check_secret)
    old_webhook_secret_until: str | None = field(default=None, validator=_check_time)
    on_breaker: str | None = field(default=None, validator=_check_choice(OnBreaker))
    spool: str | None = field(default=None, validator=_check_choice(KeepPolicy))
    owner: str | None = field(default=None, validator=_check_label)
    main_class: str | None = field(default=None, validator=_check_label)
    callback_class: str | None = field(default=None, validator=_check_label)

    @property
    def keep_policy(self) -> KeepPolicy:
        """What is kept of notifications that cannot be delivered."""
        return KeepPolicy(self.spool or KeepPolicy.OFF)

    @property
    def breaker_reaction(self) -> OnBreaker:
        """What a question comes to while the backend is not called."""
        return OnBreaker(self.on_breaker or OnBreaker.TIMEOUT)

    def method_url(self, method: str) -> str:
        """The URL to which the hook `method` is posted: its name appended as a path segment."""
        return f"{self.url.rstrip('/')}/{method}"

    def signing_keys(self, now: float) -> tuple[bytes, ...]:
        """The keys that hooks are signed with at `now` (seconds since the epoch), the newest first; none: unsigned."""
        if self.webhook_secret is None:
            return ()
        keys = [read_secret(self.webhook_secret)]
        if self.old_webhook_secret is not None and now < _seconds(self.old_webhook_secret_until):
            keys.append(read_secret(self.old_webhook_secret))
        return tuple(keys)

    def with_new_secret(self, secret: str, *, now: float, overlap: float) -> "App":
        """This application with another secret; the one before is valid for `overlap` seconds more."""
        keeps = self.webhook_secret is not None and overlap > 0
        until = datetime.fromtimestamp(now + overlap, UTC).isoformat(timespec="seconds")
        return self.with_fields(
            webhook_secret=secret,
            old_webhook_secret=self.webhook_secret if keeps else None,
            old_webhook_secret_until=until if keeps else None,
        )

    @property
    def ordered_methods(self) -> tuple[str, ...]:
        """The methods in the order of the reference, for people and files."""
        return tuple(method for method in ALL_METHODS if method in self.methods)

    def with_fields(self, **fields: Any) -> "App":
        """This application with some fields replaced, checked again."""
        return evolve(self, **fields)


@frozen
class AppTable:
    """All applications, in the order they were added. Each change makes a new table.

    `shipped` names the applications that this server has added by itself to the file, once: what an operator then
    removes or changes stays as it is.
    """

    apps: tuple[App, ...]
    shipped: frozenset[str] = frozenset()
    _by_key: dict[str, App] = field(init=False, eq=False, repr=False)
    _by_name: dict[str, App] = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_by_key", _index(self.apps, "key", lambda app: app.key))
        object.__setattr__(self, "_by_name", _index(self.apps, "name", lambda app: app.name))

    def by_key(self, key: str) -> App | None:
        """The application a client selects by `key`."""
        return self._by_key.get(key)

    def by_name(self, name: str) -> App | None:
        """The application an operator calls `name`."""
        return self._by_name.get(name)

    def added(self, app: App) -> "AppTable":
        """This table with one more application; AppError if its name or key is taken."""
        return evolve(self, apps=(*self.apps, app))

    def replaced(self, old: App, new: App) -> "AppTable":
        """This table with `old` replaced by `new`; TakenError if its name or key is taken by another."""
        for position, holder in enumerate(self.apps):
            if holder is not old:
                _check_free("key", holder.key, new.key, holder, position)
                _check_free("name", holder.name, new.name, holder, position)
        return evolve(self, apps=tuple(new if app is old else app for app in self.apps))

    def removed(self, app: App) -> "AppTable":
        """This table without `app`."""
        return evolve(self, apps=tuple(other for other in self.apps if other is not app))

    def with_shipped(self) -> "AppTable":
        """This table with the applications that came later than its file; one whose name or key is taken is not added.

        It is this same table if there are none.
        """
        table = self
        for app in SHIPPED_LATER:
            if app.name not in table.shipped:
                is_taken = table.by_key(app.key) is not None or table.by_name(app.name) is not None
                apps = table.apps if is_taken else (*table.apps, app)
                table = AppTable(apps, table.shipped | {app.name})
        return table


def _index(apps: Iterable[App], what: str, identifier: Callable[[App], str]) -> dict[str, App]:
    index: dict[str, App] = {}
    for position, app in enumerate(apps):
        value = identifier(app)
        if value in index:
            raise _taken(what, value, index[value], position)
        index[value] = app
    return index


def _check_free(what: str, held: str, wanted: str, holder: App, position: int) -> None:
    if held == wanted:
        raise _taken(what, wanted, holder, position)


def _taken(what: str, value: str, holder: App, position: int) -> TakenError:
    return TakenError(f"{value!r} is taken by the application {holder.name!r}", field=what, position=position)


_SHIPPED_METHODS = frozenset(USUAL_METHODS) - {HookMethod.STREAM_KEEP_ALIVE_EVENT.value}
SHIPPED_LATER: tuple[App, ...] = (
    App(name="roomApp", key="roomApp", url=ROOM_APP_URL, methods=_SHIPPED_METHODS, rooms=True),
)
"""Applications that files of earlier versions lack: the SDK's RoomApi connects to `roomApp`."""


def default_table() -> AppTable:
    """The table of a new server: `defaultApp` and `roomApp`, answered by the server itself, with no keep-alive."""
    default = App(name="defaultApp", key="defaultApp", url=ECHO_APP_URL, methods=_SHIPPED_METHODS)
    return AppTable((default,)).with_shipped()

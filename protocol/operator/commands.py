"""The operator's commands as frozen objects. `syntax` says how they are written, `actors/operator` what they do."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from attrs import field, fields, frozen

from protocol.hooks.breaker import OnBreaker
from protocol.hooks.kept_hook import KeepPolicy
from protocol.hooks.methods import HookMethod
from protocol.operator import live_commands, server_commands, source_commands, spool_commands, watch_commands
from protocol.operator.account_commands import BUILDERS, AccountCommand
from protocol.operator.grammar import CommandError, Words
from protocol.operator.live_commands import LiveCommand
from protocol.operator.server_commands import ServerCommand
from protocol.operator.source_commands import SourceCommand
from protocol.operator.spool_commands import SpoolCommand
from protocol.operator.syntax import TRIED_METHODS, find_verb
from protocol.operator.watch_commands import WatchCommand

MOST_OVERLAP: Final = 365 * 86_400.0
"""Seconds that a secret may be used beside its successor."""


@frozen(kw_only=True)
class AppFields:
    """What a command says about an application. None: nothing. Empty text: remove the value."""

    key: str | None = None
    url: str | None = None
    rest_username: str | None = None
    rest_password: str | None = field(default=None, repr=False)
    owner: str | None = None
    main_class: str | None = None
    callback_class: str | None = None
    rooms: bool | None = None
    on_breaker: str | None = None
    spool: str | None = None
    methods: frozenset[str] | None = None

    def given_fields(self) -> dict[str, str | bool | frozenset[str] | None]:
        """The fields that the command names, an empty text as None."""
        values = {attribute.name: getattr(self, attribute.name) for attribute in fields(AppFields)}
        return {name: None if value == "" else value for name, value in values.items() if value is not None}


@frozen(kw_only=True)
class ShowApps:
    """`show apps [-d]`"""

    detail: bool = False


@frozen(kw_only=True)
class AddApp:
    """`add app NAME KEY URL`"""

    name: str
    key: str
    url: str
    fields: AppFields = AppFields()


@frozen(kw_only=True)
class UpdateApp:
    """`update app NAME [URL]`"""

    name: str
    fields: AppFields


@frozen(kw_only=True)
class RemoveApp:
    """`remove app NAME`"""

    name: str


@frozen(kw_only=True)
class RotateSecret:
    """`rotate secret APP`; `overlap`: seconds for which the secret before is still used."""

    app: str
    overlap: float


@frozen(kw_only=True)
class RemoveSecret:
    """`remove secret APP`"""

    app: str


@frozen(kw_only=True)
class ShowRestMethods:
    """`show rest-methods`"""


@frozen(kw_only=True)
class ShowAppRestMethods:
    """`show app-rest-methods KEY`"""

    app: str


@frozen(kw_only=True)
class AddAppRestMethods:
    """`add app-rest-method KEY METHOD...`; no methods means all of them (`-a`)."""

    app: str
    methods: tuple[str, ...]


@frozen(kw_only=True)
class RemoveAppRestMethods:
    """`remove app-rest-method KEY METHOD...`; no methods means all of them (`-a`)."""

    app: str
    methods: tuple[str, ...]


@frozen(kw_only=True)
class TryApp:
    """`test app NAME`"""

    app: str
    method: HookMethod


@frozen(kw_only=True)
class Help:
    """`help [COMMAND]`; `about`: the words that the command begins with."""

    about: tuple[str, ...] = ()


AppCommand = (
    ShowApps
    | AddApp
    | UpdateApp
    | RemoveApp
    | RotateSecret
    | RemoveSecret
    | ShowRestMethods
    | ShowAppRestMethods
    | AddAppRestMethods
    | RemoveAppRestMethods
    | Help
)
Command = (
    AppCommand | AccountCommand | LiveCommand | ServerCommand | SourceCommand | SpoolCommand | WatchCommand | TryApp
)


def parse(words: Sequence[str]) -> Command:
    """The command formed by the words; CommandError if they form none."""
    verb, rest = find_verb(words)
    try:
        return _BUILDERS[verb.name](verb.read(rest))
    except CommandError as error:
        raise CommandError(f"{verb.name}: {error.message}\nusage: {verb.usage}") from None


def _build_add_app(words: Words) -> Command:
    name, key, url = words.operands
    return AddApp(name=name, key=key, url=url, fields=_app_fields(words.options))


def _build_update_app(words: Words) -> Command:
    name, *url = words.operands
    options = dict(words.options)
    if url and "url" in options:
        raise CommandError("the URL is given twice")
    if url:
        options["url"] = url[0]
    if not options:
        raise CommandError("nothing to change; give a URL or an option")
    if not options.get("url", "-") or not options.get("key", "-"):
        raise CommandError("the key and the URL cannot be empty")
    return UpdateApp(name=name, fields=_app_fields(options))


def _app_fields(options: Mapping[str, str]) -> AppFields:
    switches = options.keys() & {"rooms", "no_rooms"}
    if len(switches) > 1:
        raise CommandError("give either --rooms or --no-rooms")
    texts: dict[str, Any] = {name: value for name, value in options.items() if name not in switches}
    return app_fields({**texts, "rooms": "rooms" in switches} if switches else texts)


def app_fields(values: Mapping[str, Any]) -> AppFields:
    """These values, by attribute. What is the default is not kept, so that an older version still reads the file."""
    kept: dict[str, Any] = {name: "" if _DEFAULTS.get(name) == value else value for name, value in values.items()}
    return AppFields(**kept)


_DEFAULTS = {"on_breaker": OnBreaker.TIMEOUT, "spool": KeepPolicy.OFF}

_OVERLAP = re.compile(r"(0|[1-9][0-9]{0,4})([hd])")


def _build_rotate_secret(words: Words) -> Command:
    written = words.options.get("overlap", "24h")
    found = _OVERLAP.fullmatch(written)
    overlap = int(found[1]) * (3600.0 if found[2] == "h" else 86_400.0) if found else math.inf
    if overlap > MOST_OVERLAP:
        raise CommandError("--overlap must be a time such as 0h, 24h or 7d, of 365 days at most")
    return RotateSecret(app=words.operands[0], overlap=overlap)


def _methods_of(words: Words) -> tuple[str, ...]:
    methods = words.operands[1:]
    if bool(methods) == ("all" in words.options):
        raise CommandError("give either methods or --all")
    return methods


def _build_add_methods(words: Words) -> Command:
    return AddAppRestMethods(app=words.operands[0], methods=_methods_of(words))


def _build_remove_methods(words: Words) -> Command:
    return RemoveAppRestMethods(app=words.operands[0], methods=_methods_of(words))


def _build_try_app(words: Words) -> Command:
    written = words.options.get("method", HookMethod.CONNECTION_STATUS_EVENT)
    if written not in TRIED_METHODS:
        raise CommandError(f"--method must be {' or '.join(TRIED_METHODS)}")
    return TryApp(app=words.operands[0], method=HookMethod(written))


_BUILDERS: dict[str, Callable[[Words], Command]] = {
    "show apps": lambda words: ShowApps(detail="detail" in words.options),
    "add app": _build_add_app,
    "update app": _build_update_app,
    "rotate secret": _build_rotate_secret,
    "remove secret": lambda words: RemoveSecret(app=words.operands[0]),
    "remove app": lambda words: RemoveApp(name=words.operands[0]),
    "show rest-methods": lambda words: ShowRestMethods(),
    "show app-rest-methods": lambda words: ShowAppRestMethods(app=words.operands[0]),
    "add app-rest-method": _build_add_methods,
    "remove app-rest-method": _build_remove_methods,
    "test app": _build_try_app,
    "help": lambda words: Help(about=words.operands),
    **BUILDERS,
    **live_commands.BUILDERS,
    **server_commands.BUILDERS,
    **source_commands.BUILDERS,
    **spool_commands.BUILDERS,
    **watch_commands.BUILDERS,
}

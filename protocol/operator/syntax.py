"""The operator's commands as they are written: their names, operands and options, and their usage texts.

The commands and their options are those of WCS ("Applications management"), with two liberties: `update app` takes its
URL with `-l` or as a second operand, and `add app-rest-method` takes several methods.

Standard library only (hence no attrs): `wcs --help` shows these texts where nothing but Python is installed.
"""

import textwrap
from collections.abc import Sequence

from protocol.common.suggestions import did_you_mean, shortened
from protocol.operator.grammar import CommandError, Option, Verb, Words, split


def find_verb(words: Sequence[str]) -> tuple[Verb, Sequence[str]]:
    """The command that the words begin with, and the words that follow its name; CommandError if there is none."""
    if not words:
        raise CommandError("no command (try 'help')")
    for length in (1, 2):
        verb = VERBS.get(" ".join(words[:length]))
        if verb is not None:
            return verb, words[length:]
    subjects = [name.partition(" ")[2] for name in VERBS if name.startswith(f"{words[0]} ")]
    if subjects and len(words) == 1:
        raise CommandError(f"{words[0]} what? One of {', '.join(subjects)}")
    written = " ".join(words[:2])
    raise CommandError(f"unknown command {shortened(written)}{did_you_mean(written, VERBS) or ' (try help)'}")


def is_command(line: str) -> bool:
    """Whether the line is a command as it should be written."""
    return _read(line) is not None


def holds_secret(line: str) -> bool:
    """Whether the line is a command with a password, or with a URL that may hold one."""
    read = _read(line)
    if read is None:
        return False
    verb, words = read
    secret = {option.name for option in verb.options if option.value == "PASSWORD"}
    is_given = verb.extra == "PASSWORD" and len(words.operands) > len(verb.operands)
    return (
        is_given
        or bool(secret & words.options.keys())
        or any("@" in word or "=" in word for word in (*words.operands, *words.options.values()) if "://" in word)
    )


def _read(line: str) -> tuple[Verb, Words] | None:
    try:
        verb, rest = find_verb(split(line))
        return verb, verb.read(rest)
    except CommandError:
        return None


def help_text(about: Sequence[str] = ()) -> str:
    """Every command that begins with these words, each with its usage and a line about it. CommandError for none."""
    beginning = " ".join(about)
    found = [verb for name, verb in VERBS.items() if f"{name} ".startswith(f"{beginning} ".lstrip())]
    if not found:
        raise CommandError(f"unknown command {shortened(beginning)}{did_you_mean(beginning, VERBS)}")
    return "\n".join(f"{verb.usage}\n    {verb.summary}{_fields_told(verb)}" for verb in found)


def _fields_told(verb: Verb) -> str:
    return (
        textwrap.fill(
            f"FIELD: {', '.join(verb.conditions)}",
            width=100,
            initial_indent="\n    ",
            subsequent_indent="    ",
        )
        if verb.conditions
        else ""
    )


_APP_OPTIONS = (
    Option("main_class", ("-m", "--m-class"), "CLASS"),
    Option("callback_class", ("-c", "--c-class"), "CLASS"),
    Option("rest_username", ("-u", "--u-rest"), "USER"),
    Option("rest_password", ("-p", "--p-rest"), "PASSWORD"),
    Option("owner", ("-o", "--owner"), "OWNER"),
    Option("on_breaker", ("--on-breaker",), "timeout|allow|deny|call"),
    Option("spool", ("--spool",), "off|ends|all"),
)
_ROOMS = Option("rooms", ("--rooms",))
_NO_ROOMS = Option("no_rooms", ("--no-rooms",))
_KEY = Option("key", ("-k", "--key"), "KEY")
_URL = Option("url", ("-l", "--url"), "URL")
_DETAIL = Option("detail", ("-d", "--detail"))
_ALL = Option("all", ("-a", "--all"))
_ROLE = Option("role", ("--role",), "metrics|view|operate|admin")
_LIMIT = Option("limit", ("--limit",), "N")
_OFFSET = Option("offset", ("--offset",), "N")
_NODE = Option("node", ("--node",), "NODE_ID")
_CONDITION = "FIELD=VALUE..."
_EVENTS = "TYPE|FIELD=VALUE..."

TRIED_METHODS = ("connect", "ConnectionStatusEvent")
"""REST methods that a backend can be tested with."""

STREAM_CONDITIONS = (
    "name", "published", "status", "mediaSessionId", "mediaSessionIds", "sessionId", "appKey", "hasVideo", "hasAudio",
    "mediaProvider", "nodeId", "roomName",
)  # fmt: skip
"""The conditions of REST's `/stream/find`, by the same names; the others likewise."""
SESSION_CONDITIONS = ("sessionId", "appKey", "clientVersion", "roomName")
ROOM_CONDITIONS = ("name", "appKey")
CALL_CONDITIONS = ("callId", "callee", "status", "sessionId", "appKey")
REGISTRATION_CONDITIONS = ("account", "state")
EVENT_CONDITIONS = ("appKey", "name")
BAN_CONDITIONS = ("id", "appKey", "action", "name", "who")

STREAM_ORDERS = (
    "name", "mediaType", "status", "viewers", "kbps", "lost", "createDate", "appKey", "roomName", "sessionId",
    "mediaSessionId",
)  # fmt: skip
"""What lists may be sorted by."""
SESSION_ORDERS = ("appKey", "status", "streams", "createDate", "clientVersion", "origin", "sessionId")
CALL_ORDERS = ("caller", "callee", "status", "incoming", "createDate", "appKey", "sessionId", "callId")
REGISTRATION_ORDERS = ("account", "server", "state")
ROOM_ORDERS = ("name", "appKey", "memberCount", "streamCount", "createDate")
BAN_ORDERS = ("appKey", "action", "name", "who", "createDate", "expireDate")


def _keys(orders: tuple[str, ...]) -> tuple[str, ...]:
    return (*orders, *(f"-{order}" for order in orders))


def _list_verb(noun: str, conditions: tuple[str, ...], orders: tuple[str, ...]) -> Verb:
    return Verb(
        f"show {noun}",
        f"List the {noun} that match, or all. -d shows all their fields; --sort -FIELD: largest first.",
        extra=_CONDITION,
        options=(
            _DETAIL,
            Option("sort", ("--sort",), "FIELD", _keys(orders)),
            _LIMIT,
            _OFFSET,
        ),
        conditions=conditions,
    )


_BOUND_TO = Option("app", ("--app",), "APP_KEY,...")

VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            "show apps",
            "List the applications; -d shows all their fields, except passwords.",
            options=(_DETAIL,),
        ),
        Verb(
            "add app",
            "Add an application, without REST methods. URL is the base of its hooks, http or https.",
            operands=("NAME", "KEY", "URL"),
            options=(*_APP_OPTIONS, _ROOMS),
        ),
        Verb(
            "update app",
            "Change what is given and nothing else; '' removes a value. --rooms: serve its room commands.",
            operands=("NAME",),
            extra="URL",
            options=(_KEY, _URL, *_APP_OPTIONS, _ROOMS, _NO_ROOMS),
        ),
        Verb(
            "remove app",
            "Remove an application; new connections with its key are refused.",
            operands=("NAME",),
        ),
        Verb(
            "rotate secret",
            "Make a new secret that the application's hooks are signed with, and show it, once. The one before is valid"
            " for the time of --overlap: 24h unless said otherwise.",
            operands=("APP",),
            options=(Option("overlap", ("--overlap",), "24h"),),
        ),
        Verb(
            "remove secret",
            "Sign the application's hooks no more.",
            operands=("APP",),
        ),
        Verb(
            "show rest-methods",
            "List the REST methods this server can call.",
        ),
        Verb(
            "show app-rest-methods",
            "List the REST methods an application is called by.",
            operands=("APP_KEY",),
        ),
        Verb(
            "add app-rest-method",
            "Call the application by these REST methods too; -a: by all of them.",
            operands=("APP_KEY",),
            extra="METHOD...",
            options=(_ALL,),
        ),
        Verb(
            "remove app-rest-method",
            "Stop calling the application by these REST methods; -a: by any.",
            operands=("APP_KEY",),
            extra="METHOD...",
            options=(_ALL,),
        ),
        Verb(
            "show users",
            "List the users who may log in to REST; -d shows the applications they are bound to.",
            options=(_DETAIL,),
        ),
        Verb(
            "add user",
            "Add a user, with the role operate unless another is given. Without PASSWORD, it is asked for.",
            operands=("NAME",),
            extra="PASSWORD",
            options=(_ROLE, _BOUND_TO),
        ),
        Verb(
            "update user",
            "Change what is given; -a false: the user cannot log in; --app '': not bound to applications any more.",
            operands=("NAME",),
            options=(Option("active", ("-a", "--active"), "true|false"), _ROLE, _BOUND_TO),
        ),
        Verb(
            "passwd",
            "Change a user's password. Without PASSWORD, it is asked for.",
            operands=("NAME",),
            extra="PASSWORD",
        ),
        Verb(
            "remove user",
            "Remove a user, who is logged out everywhere.",
            operands=("NAME",),
        ),
        Verb("show tokens", "List the tokens, by name."),
        Verb(
            "add token",
            "Add a token for a program, and show it, once. It is valid for ever unless --expires says so.",
            operands=("NAME",),
            options=(_ROLE, _BOUND_TO, Option("expires", ("--expires",), "DAYSd")),
        ),
        Verb(
            "remove token",
            "Remove a token; programs that use it are refused.",
            operands=("NAME",),
        ),
        Verb("show sources", "List the cameras and other sources that have names; their URIs are masked."),
        Verb(
            "add source",
            "Give a camera or another source a name that pages play. They never learn its URI.",
            operands=("NAME", "URI"),
        ),
        Verb(
            "update source",
            "Give a name another source. The next player gets it, and ends the capture so far.",
            operands=("NAME", "URI"),
        ),
        Verb(
            "remove source",
            "Remove a name of a source. Who plays it already goes on.",
            operands=("NAME",),
        ),
        Verb(
            "console",
            "Show a link that opens the start page, logged in. It works once, for 60 seconds.",
            options=(_ROLE,),
        ),
        Verb(
            "test app",
            "Send a marked hook to the application's backend, and tell how far it gets: name, connection, TLS, answer.",
            operands=("NAME",),
            options=(Option("method", ("--method",), "|".join(TRIED_METHODS)),),
        ),
        _list_verb("streams", STREAM_CONDITIONS, STREAM_ORDERS),
        _list_verb("sessions", SESSION_CONDITIONS, SESSION_ORDERS),
        _list_verb("rooms", ROOM_CONDITIONS, ROOM_ORDERS),
        _list_verb("calls", CALL_CONDITIONS, CALL_ORDERS),
        _list_verb("registrations", REGISTRATION_CONDITIONS, REGISTRATION_ORDERS),
        _list_verb("bans", BAN_CONDITIONS, BAN_ORDERS),
        Verb(
            "remove bans",
            "Lift the bans that match; their subjects may come back at once.",
            extra=_CONDITION,
            conditions=BAN_CONDITIONS,
        ),
        Verb(
            "terminate",
            "Stop the streams that match, or --all. Asks first, unless told --yes. --reason is told to pages and"
            " backends; --ban keeps out whom it ends for so long.",
            extra=_CONDITION,
            options=(
                _ALL,
                Option("reason", ("--reason",), "TEXT"),
                Option("ban", ("--ban",), "30s"),
                Option("ban_by", ("--ban-by",), "name|user|address"),
                Option("dry_run", ("--dry-run",)),
                Option("yes", ("-y", "--yes")),
            ),
            conditions=STREAM_CONDITIONS,
        ),
        Verb(
            "show spool",
            "Show how many hooks are kept because they could not be delivered; -d lists them, without their bodies.",
            extra="APP",
            options=(_DETAIL, _LIMIT),
        ),
        Verb(
            "replay",
            "Send an application's kept hooks without waiting for the next try; --now: at full speed, whatever its"
            " breaker says.",
            operands=("APP",),
            options=(Option("now", ("--now",)),),
        ),
        Verb(
            "drop spool",
            "Forget an application's kept hooks. Asks first, unless told --yes.",
            operands=("APP",),
            options=(Option("yes", ("-y", "--yes")),),
        ),
        Verb(
            "drain",
            "Take no new publications, and stop when the last one has ended, or after --timeout. --node: another node"
            " of the cluster.",
            options=(Option("timeout", ("--timeout",), "30m"), _NODE),
        ),
        Verb("undrain", "Take publications again.", options=(_NODE,)),
        Verb(
            "reload",
            "Read the settings again; they change in the running server as far as they can. --check: only look.",
            options=(Option("check", ("--check",)),),
        ),
        Verb(
            "show events",
            "List the latest events, oldest first; of all types, or of those given, such as 'stream.*'.",
            extra=_EVENTS,
            options=(_LIMIT,),
            conditions=EVENT_CONDITIONS,
        ),
        Verb(
            "tail",
            "Show events as they happen, after the latest --lines of them, until Ctrl-C. --after: those after the event"
            " with this id.",
            extra=_EVENTS,
            options=(Option("lines", ("-n", "--lines"), "N"), Option("after", ("--after",), "ID")),
            conditions=EVENT_CONDITIONS,
        ),
        Verb(
            "top",
            "Show the streams that match, the largest first, again and again. Keys: < > column, r reverse, q quit.",
            extra=_CONDITION,
            options=(Option("sort", ("--sort",), "FIELD", _keys(STREAM_ORDERS)), _LIMIT),
            conditions=STREAM_CONDITIONS,
        ),
        Verb("show hooks", "List how the calls of each application's REST methods have ended since the start."),
        Verb("show nodes", "Show this server in one line: since when it is up, and what it carries."),
        Verb("help", "List the commands, or those that begin with COMMAND.", extra="COMMAND..."),
    )
}

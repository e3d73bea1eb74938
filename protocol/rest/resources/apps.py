"""The REST resource `/app`: the applications of the server. What may be said is what the `wcs` commands take."""

from collections.abc import Mapping
from typing import Any, Final

from protocol.hooks.breaker import OnBreaker
from protocol.hooks.kept_hook import KeepPolicy
from protocol.hooks.methods import UNUSED_METHODS, HookMethod
from protocol.rest.errors import bad_request
from protocol.rest.fields import FLAG, TEXT, TEXTS, Field, FieldTable, FieldType, FieldValues, one_of
from protocol.rest.paging import LIMIT, OFFSET
from protocol.rest.schemas import BOOLEAN, COUNT, array_of, described, object_of
from protocol.rest.schemas import TEXT as TEXT_SCHEMA

_KNOWN: Final = [method.value for method in HookMethod if method not in UNUSED_METHODS]
_METHODS: Final = FieldType(
    "an array of strings",
    lambda value: frozenset(TEXTS.read(value)),  # unknown ones are told by the application, with the nearest name
    {"type": "array", "items": {"enum": _KNOWN}},
    is_list=True,
)
_SHORT: Final = "; empty: none"

KEY: Final = Field("key", TEXT, "key of the application, which clients give when they connect")
NAME: Final = Field("name", TEXT, "name of the application")
NEW_KEY: Final = Field("newKey", TEXT, "another key; clients that give the old one are refused from then on")
URL: Final = Field("url", TEXT, "base URL of its hooks")
METHODS: Final = Field("methods", _METHODS, "REST methods that are sent, in place of those so far")
ROOMS: Final = Field("rooms", FLAG, "whether its rooms are served here")
ON_BREAKER: Final = Field("onBreaker", one_of(*OnBreaker), "what questions come to while its backend is not called")
SPOOL: Final = Field("spool", one_of(*KeepPolicy), "which notifications are kept when they cannot be delivered")
USERNAME: Final = Field("restUsername", TEXT, f"user name sent to the backend (HTTP Basic){_SHORT}")
PASSWORD: Final = Field("restPassword", TEXT, f"password sent to the backend, which no answer shows{_SHORT}")
OWNER: Final = Field("owner", TEXT, f"kept for operators who come from WCS, without effect{_SHORT}")
MAIN_CLASS: Final = Field("mainClass", TEXT, f"as `owner`{_SHORT}")
CALLBACK_CLASS: Final = Field("callbackClass", TEXT, f"as `owner`{_SHORT}")
METHOD: Final = Field(
    "method", one_of(HookMethod.CONNECT, HookMethod.CONNECTION_STATUS_EVENT), "default: ConnectionStatusEvent"
)

ATTRIBUTES: Final[Mapping[str, Field[Any]]] = {
    "methods": METHODS,
    "rooms": ROOMS,
    "on_breaker": ON_BREAKER,
    "spool": SPOOL,
    "rest_username": USERNAME,
    "rest_password": PASSWORD,
    "owner": OWNER,
    "main_class": MAIN_CLASS,
    "callback_class": CALLBACK_CLASS,
}
"""What may be said about an application beside its name, key and URL, by attribute of `App`."""

FIND: Final = FieldTable(KEY, NAME, OFFSET, LIMIT)
ADD: Final = FieldTable(
    NAME, KEY, URL, *ATTRIBUTES.values(), required=(NAME, KEY, URL), rules="the limits of each field; see its error"
)
UPDATE: Final = FieldTable(
    KEY,
    NEW_KEY,
    URL,
    *ATTRIBUTES.values(),
    required=(KEY,),
    rules="something to change beside `key`, and the limits of each field; see its error",
)
REMOVE: Final = FieldTable(KEY, required=(KEY,))
TEST: Final = FieldTable(KEY, METHOD, required=(KEY,))

APP: Final = object_of(
    "Application",
    name=TEXT_SCHEMA,
    key=TEXT_SCHEMA,
    url=described(TEXT_SCHEMA, "base URL of its hooks"),
    methods=described(array_of(TEXT_SCHEMA), "REST methods that are sent"),
    rooms=BOOLEAN,
    onBreaker=described({"enum": list(OnBreaker)}, "what questions come to while its backend is not called"),
    spool=described({"enum": list(KeepPolicy)}, "which notifications are kept when they cannot be delivered"),
    hasCredentials=described(BOOLEAN, "whether a user name is sent to the backend; never which"),
    isSigned=described(BOOLEAN, "whether hooks are signed with a secret; never with which"),
)
CHANGED: Final = object_of(
    "ApplicationChange",
    changed=described(BOOLEAN, "false: it was like that already"),
    message=described(TEXT_SCHEMA, "what was done, in words"),
    app=APP,
)
REMOVED: Final = object_of("ApplicationRemoval", message=described(TEXT_SCHEMA, "what was done, in words"))
_STEP: Final = object_of(
    "ApplicationTestStep", step=described(TEXT_SCHEMA, "name, connection, answer"), result=TEXT_SCHEMA, ms=COUNT
)
TESTED: Final = object_of(
    "ApplicationTest",
    ok=described(BOOLEAN, "whether the backend has answered as it should"),
    message=described(TEXT_SCHEMA, "what has failed, or why real hooks are not sent nevertheless; may be empty"),
    steps=described(array_of(_STEP), "those that were successful"),
)


def given_attributes(given: FieldValues) -> dict[str, Any]:
    """What a request says of ATTRIBUTES and `url`, by attribute of `App`."""
    named = {**ATTRIBUTES, "url": URL}
    return {name: given[field] for name, field in named.items() if given[field] is not None}


def changed_attributes(given: FieldValues) -> dict[str, Any]:
    """What an update changes. RestError (400) if that is nothing."""
    changed = given_attributes(given)
    if given[NEW_KEY] is not None:
        changed["key"] = given[NEW_KEY]
    if not changed:
        raise bad_request("nothing to change; give url, methods or another field beside key", key=URL.name)
    for name in ("key", "url"):
        if changed.get(name) == "":
            field = name_of(name, is_update=True)
            raise bad_request(f"{field} must not be empty", key=field)
    return changed


def name_of(attribute: str, *, is_update: bool) -> str:
    """The name that a request has for an attribute of `App`."""
    if attribute == "key" and is_update:
        return NEW_KEY.name
    return ATTRIBUTES[attribute].name if attribute in ATTRIBUTES else attribute

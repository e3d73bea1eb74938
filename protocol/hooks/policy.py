"""`restClientConfig`: the backend's policy for each method (WCS page "restClientConfig object description").

The backend puts it into its answer to `connect`; it applies for the life of that session. Each missing or unknown field
takes its default, the unknown ones with a warning: a typo must not lock every client out. A value of the wrong type is
different: there is no telling what it was meant to forbid, so the whole object is refused.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from attrs import field, frozen

from protocol.common.suggestions import did_you_mean
from protocol.hooks.methods import UNUSED_METHODS, HookMethod


class WrongType(ValueError):
    """A value of `restClientConfig` has the wrong type or is too long. The error text says which."""


class RestOnError(StrEnum):
    """What happens after an answer other than 200, or none at all."""

    LOG = "LOG"
    """Write a log line and go on."""
    FAIL = "FAIL"
    """Break a direct call; tell the client of an event's failure."""


class RestPolicy(StrEnum):
    """Whether the backend is called, and whether it may overwrite fields."""

    NOTIFY = "NOTIFY"
    """The backend is called; the fields of its answer are ignored."""
    OVERWRITE = "OVERWRITE"
    """The fields named by `restOverwrite` are taken from the answer."""
    DISABLE = "DISABLE"
    """The backend is not called. Old WCS pages spell it `DISABLED`, which means the same."""


@frozen(kw_only=True)
class MethodConfig:
    """The policy for one method. The sets hold names of top-level JSON fields."""

    client_exclude: frozenset[str] = frozenset()
    """Fields hidden from the client."""
    rest_exclude: frozenset[str] = frozenset()
    """Fields hidden from the backend."""
    rest_on_error: RestOnError = RestOnError.LOG
    rest_policy: RestPolicy = RestPolicy.NOTIFY
    rest_overwrite: frozenset[str] = frozenset()
    """Fields that the answer replaces, if the policy is OVERWRITE."""


DEFAULT_METHOD_CONFIG = MethodConfig()
"""The policy for a method that the backend does not mention: notify, and let no failure stop anything."""


@frozen
class RestClientConfig:
    """The policies of one session, by method."""

    methods: Mapping[HookMethod, MethodConfig] = field(factory=dict)

    def for_method(self, method: HookMethod) -> MethodConfig:
        """The policy for `method`; the default if the backend did not mention it."""
        return self.methods.get(method, DEFAULT_METHOD_CONFIG)

    @classmethod
    def parse(cls, value: object) -> tuple["RestClientConfig", tuple[str, ...]]:
        """Read the backend's object (None: it sent none). Returns the policies and warnings about unknown parts.

        Raises WrongType.
        """
        reader = _PolicyReader()
        methods = dict(reader.methods(value))
        return cls(methods), tuple(reader.warnings)


def apply_client_exclude(body: Mapping[str, Any], config: MethodConfig) -> dict[str, Any]:
    """The part of `body` that the client may see."""
    excluded = config.client_exclude
    return {key: value for key, value in body.items() if key not in excluded} if excluded else dict(body)


def apply_rest_exclude(body: Mapping[str, Any], config: MethodConfig) -> dict[str, Any]:
    """The part of `body` that is sent to the backend."""
    excluded = config.rest_exclude
    return {key: value for key, value in body.items() if key not in excluded} if excluded else dict(body)


# -- reading ----------------------------------------------------------------------------------------------------------

_FIELDS = ("clientExclude", "restExclude", "restOnError", "restPolicy", "restOverwrite")
_KNOWN = {method.value: method for method in HookMethod}
MAX_NAMES = 100
"""Fields that a list may name; no hook has this many."""
_MAX_WARNINGS = 20
_MAX_SHOWN = 60

E = TypeVar("E", bound=StrEnum)


class _PolicyReader:
    """Collects the warnings while one `restClientConfig` is read."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def methods(self, value: object) -> Iterable[tuple[HookMethod, MethodConfig]]:
        for name, policy in _object("restClientConfig", value).items():
            if name in _KNOWN:
                yield _KNOWN[name], self._method(name, _object(f"restClientConfig: {name}", policy))
            elif name not in UNUSED_METHODS:
                self._unknown("method", name, _KNOWN)

    def _method(self, name: str, value: dict[str, object]) -> MethodConfig:
        for key in value:
            if key not in _FIELDS:
                self._unknown(f"field of {name}", key, _FIELDS)
        config = MethodConfig(
            client_exclude=self._names(name, value, "clientExclude"),
            rest_exclude=self._names(name, value, "restExclude"),
            rest_on_error=self._choice(name, value, "restOnError", RestOnError.LOG),
            rest_policy=self._choice(name, value, "restPolicy", RestPolicy.NOTIFY),
            rest_overwrite=self._names(name, value, "restOverwrite"),
        )
        if config.rest_overwrite and config.rest_policy is not RestPolicy.OVERWRITE:
            self._warn(f"restClientConfig: {name}: restOverwrite has no effect without restPolicy OVERWRITE")
        return config

    def _names(self, method: str, values: dict[str, object], key: str) -> frozenset[str]:
        value = values.get(key)
        if value is None or value == {}:
            return frozenset()
        items = value.split(",", MAX_NAMES) if isinstance(value, str) else value
        if isinstance(items, list) and len(items) > MAX_NAMES:
            raise WrongType(f"restClientConfig: {method}.{key} names more than {MAX_NAMES} fields")
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise WrongType(f"restClientConfig: {method}.{key} must be a comma-separated list of field names")
        return frozenset(item.strip() for item in items if item.strip())

    def _choice(self, method: str, values: dict[str, object], key: str, default: E) -> E:
        value = values.get(key)
        if value is None or value == "":
            return default
        if not isinstance(value, str):
            raise WrongType(f"restClientConfig: {method}.{key} must be text")
        choices = {choice.value: choice for choice in type(default)}
        text = value.strip().upper()
        chosen = choices.get("DISABLE" if text == "DISABLED" else text)
        if chosen is None:
            self._warn(f"restClientConfig: {method}.{key} is {_shown(value)}, not one of {', '.join(choices)}")
        return chosen or default

    def _unknown(self, what: str, name: str, known: Iterable[str]) -> None:
        if len(self.warnings) < _MAX_WARNINGS:  # finding the nearest name is not free
            self._warn(f"restClientConfig: unknown {what} {_shown(name)}{did_you_mean(name[:_MAX_SHOWN], known)}")

    def _warn(self, warning: str) -> None:
        if len(self.warnings) < _MAX_WARNINGS:
            self.warnings.append(warning)


def _object(what: str, value: object) -> dict[str, object]:
    """A JSON object. None and the empty list, which PHP writes for an empty object, count as an empty object."""
    if isinstance(value, dict):
        return value
    if value in (None, [], ""):
        return {}
    raise WrongType(f"{what} must be an object")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."

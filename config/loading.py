"""From text to Settings: `--set` overrides the file, the file the defaults; every fault is reported with its place."""

import math
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv6Address, ip_address
from typing import Any

from attrs import frozen

from config.listeners import LISTENERS, WantedListener, listeners_of, requires_proxy_protocol
from config.media_addresses import paired
from config.properties import BadLine, Entry, parse
from config.settings import TABLE, RestAuth, Setting, Settings
from config.unsupported_wcs_settings import reason_without_effect
from config.values.kinds import Remarking
from protocol.common.suggestions import nearest
from protocol.rest.resources.data import ENVELOPE

DEFAULT = "default"
MASK = "********"
"""What is shown in the place of a secret."""
COMMAND_LINE = "--set"


class SettingsError(Exception):
    """Settings that a server cannot start with. `faults`: lines `FILE:LINE: key: what is wrong; allowed: ...`.

    `warnings`: what else was noticed until then.
    """

    def __init__(self, faults: Sequence[str], warnings: Sequence[str] = ()) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)
        self.warnings = tuple(warnings)


@frozen(kw_only=True)
class Given:
    """The text of one effective value, and where it came from: `FILE:LINE`, `--set` or `default`."""

    text: str
    origin: str


@frozen(kw_only=True)
class LoadedSettings:
    """The effective settings, the text each key was given as, and warnings for the operator.

    `without_effect`: those of them that only say that a setting of WCS does nothing here.
    """

    settings: Settings
    given: Mapping[str, Given]
    warnings: tuple[str, ...]
    without_effect: frozenset[str] = frozenset()

    def told_of(self, key: str, message: str) -> str:
        """A line that says where the setting was given, and the message."""
        return f"{self.given[key].origin}: {key}: {message}"


def load_settings(text: str | None, *, file_name: str = "", overrides: Sequence[str] = ()) -> LoadedSettings:
    """Read the text of a settings file (None: there is none) and `key=value` overrides.

    Raises SettingsError with every fault that was found, not only the first.
    """
    reader = _SettingsReader()
    reader.take_file(text or "", file_name)
    reader.take_overrides(overrides)
    return reader.finish()


class _SettingsReader:
    """Collects values, faults and warnings on the way to LoadedSettings."""

    def __init__(self) -> None:
        self.given = {key: Given(text=known.default, origin=DEFAULT) for key, known in TABLE.items()}
        self.faults: list[str] = []
        self.warnings: list[str] = []
        self.without_effect: list[str] = []

    def take_file(self, text: str, name: str) -> None:
        for item in parse(text):
            place = f"{name}:{item.line}"
            match item:
                case BadLine():
                    self.faults.append(f"{place}: {item.message}")
                case Entry():
                    self._take(item.key, item.value, place, item.heading)

    def take_overrides(self, overrides: Sequence[str]) -> None:
        for override in overrides:
            key, equals, value = map(str.strip, override.partition("="))
            if equals and key:
                self._take(key, value, COMMAND_LINE, key)
            else:
                self.faults.append(f"{COMMAND_LINE}: {override!r} is not key=value")

    def finish(self) -> LoadedSettings:
        values = dict(self._values())
        if not self.faults:
            settings = Settings(**values)
            self._check_together(settings)
        if self.faults:
            raise SettingsError(self.faults, self.warnings)
        told, idle = tuple(self.warnings), frozenset(self.without_effect)
        return LoadedSettings(settings=settings, given=self.given, warnings=told, without_effect=idle)

    def _take(self, key: str, value: str, origin: str, heading: str) -> None:
        if key not in TABLE:
            self._note_unknown(key, value, origin, heading)
            return
        before = self.given[key].origin
        if before not in (DEFAULT, COMMAND_LINE) and origin != COMMAND_LINE:
            self.warnings.append(f"{origin}: {key}: also set at {before}; the last one wins")
        self.given[key] = Given(text=value, origin=origin)

    def _note_unknown(self, key: str, value: str, origin: str, heading: str) -> None:
        reason = reason_without_effect(key, value)
        if reason is None:
            self.warnings.append(f"{origin}: {heading or repr(heading)}: {_unknown(heading)}")
            return
        self.warnings.append(f"{origin}: {key}: has no effect here: {reason}")
        self.without_effect.append(self.warnings[-1])

    def _values(self) -> Iterator[tuple[str, Any]]:
        """Each attribute and its value; in the order of the lines, so that what is wrong is told in that order."""
        for key, known in sorted(TABLE.items(), key=lambda item: _line_of(self.given[item[0]])):
            given = self.given[key]
            if known.is_secret and given.text == MASK:
                self._refuse(key, f"{MASK!r} only stands for a secret, as --print-config shows it; write the secret")
                continue
            try:
                yield known.attribute, known.kind.read(given.text)
            except ValueError as error:
                self._refuse(key, f"{shown(known, given.text)!r} {error}; allowed: {known.kind.allowed}")
            else:
                if isinstance(known.kind, Remarking):
                    self.warnings += (f"{given.origin}: {key}: {remark}" for remark in known.kind.remarks(given.text))

    def _check_together(self, settings: Settings) -> None:
        self._check_rest_auth(settings)
        self._check_proxies(settings)
        self._check_ports(settings)
        self._check_data_size(settings)
        if (settings.wss_cert is None) != (settings.wss_key is None):
            missing, other = ("wss.cert", "wss.key") if settings.wss_cert is None else ("wss.key", "wss.cert")
            self._refuse(other, f"requires {missing}; allowed: both or neither")
        if settings.rest_hook_send_hash and settings.rest_hook_secret_key is None:
            self._refuse("rest_hook_send_hash", "requires rest_hook_secret_key; allowed: both or neither")
        if settings.rest_insecure_tls:
            self.warnings.append("rest_insecure_tls: any certificate is accepted from backends; hooks carry secrets")
        try:
            paired(settings.ip, settings.ip_local)
        except ValueError as error:
            self._refuse("ip_local", str(error))

    def _check_rest_auth(self, settings: Settings) -> None:
        if not settings.disable_rest_auth and settings.rest_auth is RestAuth.OFF:
            place = self.given["rest.auth"].origin
            self._refuse("disable_rest_auth", f"false contradicts rest.auth=off ({place}); leave one out")

    def _check_proxies(self, settings: Settings) -> None:
        for keys in LISTENERS:
            if requires_proxy_protocol(settings, keys) and not settings.trusted_proxies.networks:
                self._refuse(keys.proxy_protocol, "requires trusted_proxies, which names who may send it")

    def _check_data_size(self, settings: Settings) -> None:
        """A payload must fit into a request's body. The default is none of the operator's doing."""
        most = settings.rest_max_body_size - ENVELOPE
        if settings.data_max_size > most and self.given["data.max_size"].origin != DEFAULT:
            allowed = f"at most {most}, which is rest.max_body_size less {ENVELOPE} for the rest of the request"
            self._refuse("data.max_size", f"{settings.data_max_size} is too large; allowed: {allowed}")

    def _check_ports(self, settings: Settings) -> None:
        """Two listeners cannot share a port unless their addresses differ."""
        taken: list[WantedListener] = []
        for one in listeners_of(settings):
            for other in taken:
                if one.port == other.port != 0 and _overlap(one.address, other.address):
                    place = self.given[other.keys.port].origin
                    self._refuse(one.keys.port, f"{one.port} is already the port of {other.keys.port} ({place})")
            taken.append(one)

    def _refuse(self, key: str, message: str) -> None:
        self.faults.append(f"{self.given[key].origin}: {key}: {message}")


def _line_of(given: Given) -> float:
    """Where in the file the value was given; what was not given there comes last."""
    line = given.origin.rpartition(":")[2]
    return int(line) if line.isdecimal() else math.inf


def shown(known: Setting, text: str) -> str:
    """The text of a value as it may be printed: a secret is masked."""
    return MASK if known.is_secret and text else text


def _overlap(one: str | None, other: str | None) -> bool:
    """Whether the same client could reach both; `::` includes IPv4."""
    first, second = ip_address(one or "::"), ip_address(other or "::")
    if first.version != second.version:
        return any(address == IPv6Address("::") for address in (first, second))
    return first == second or first.is_unspecified or second.is_unspecified


def _unknown(heading: str) -> str:
    known = {_plain(name): name for name in TABLE}
    near = nearest(_plain(heading), known)
    return "unknown setting" + (f"; did you mean {known[near]}?" if near else "")


def _plain(key: str) -> str:
    """A spelling that is the same for keys people confuse with each other."""
    return "_".join(key.lower().replace(".", " ").replace("-", " ").replace("_", " ").split())

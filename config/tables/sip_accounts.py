"""The accounts at SIP servers that REST may name, as a file that the operator writes (TOML).

    [support]
    login = "support"
    password = "..."
    domain = "pbx.example.com"
    apps = ["defaultApp"]

`authentication_name`, `outbound_proxy` and `port` may be there too. `apps`: the applications whose calls may use it;
all, if it is absent.
"""

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from config.tables.toml_text import TomlFault, parse_toml
from protocol.calls.order import SipLogin
from protocol.common.suggestions import did_you_mean

_TEXTS: Final = ("login", "password", "domain", "authentication_name", "outbound_proxy")
_KEYS: Final = (*_TEXTS, "port", "apps")


class SipAccountsError(ValueError):
    """An unusable file of accounts; the text has none of its secrets."""


@frozen(kw_only=True)
class NamedSipAccount:
    """An account, and the applications whose calls may use it; None: all."""

    login: SipLogin
    apps: frozenset[str] | None = None


def read_sip_accounts(text: str) -> Mapping[str, NamedSipAccount]:
    """The accounts by name. Raises SipAccountsError."""
    try:
        document = parse_toml(text, "a file of SIP accounts")
    except TomlFault as fault:
        place = "" if fault.line is None else f"line {fault.line}: "
        raise SipAccountsError(f"{place}{fault.message}") from None
    return {name: _read_account(name, entry) for name, entry in document.items()}


def _read_account(name: str, entry: Any) -> NamedSipAccount:
    if not isinstance(entry, dict):
        raise SipAccountsError(f"{name!r} is no account: accounts are written [NAME]")
    for key in entry:
        if key not in _KEYS:
            raise SipAccountsError(f"[{name}]: unknown key {key!r}{did_you_mean(key, _KEYS)}")
    given = {key: _text(name, entry, key) for key in _TEXTS if key in entry}
    for key in ("login", "domain"):
        if not given.get(key):
            raise SipAccountsError(f"[{name}]: {key} is missing")
    return NamedSipAccount(login=SipLogin(**given, port=_port(name, entry)), apps=_apps(name, entry))


def _text(name: str, entry: Mapping[str, Any], key: str) -> str:
    value = entry[key]
    if not isinstance(value, str):
        raise SipAccountsError(f"[{name}]: {key} must be text")
    return value


def _port(name: str, entry: Mapping[str, Any]) -> int | None:
    port = entry.get("port")
    if port is not None and (not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65_536):
        raise SipAccountsError(f"[{name}]: port must be a number from 1 to 65535")
    return port


def _apps(name: str, entry: Mapping[str, Any]) -> frozenset[str] | None:
    apps = entry.get("apps")
    if apps is None:
        return None
    if not isinstance(apps, list) or not all(isinstance(each, str) for each in apps):
        raise SipAccountsError(f"[{name}]: apps must be a list of application keys")
    return frozenset(apps)

"""Whether callers of the REST API must log in, and whether it may be open to the network at all."""

from collections.abc import Iterator

from config.media_addresses import serves_this_machine_only
from config.settings import RestAuth, Settings
from protocol.access.client_address import plain_address


def auth_mode(settings: Settings) -> RestAuth:
    """`rest.auth`, or what WCS's `disable_rest_auth=false` means. `true`, as in every stock file, means nothing."""
    return settings.rest_auth if settings.disable_rest_auth else RestAuth.REQUIRED


def openings(settings: Settings) -> Iterator[tuple[str, str]]:
    """How other machines can reach REST: the setting to look at, and what it does.

    Only programs on this machine reach a listener that is not named, so nobody needs to log in there by default.
    """
    for name in ("http", "https"):
        if not serves_this_machine_only(settings, name):
            yield _opening(settings, name)


def _opening(settings: Settings, name: str) -> tuple[str, str]:
    address: str | None = getattr(settings, f"{name}_address")
    if address is None or not plain_address(address).is_loopback:
        return f"{name}.address", f"{address or 'every address'} is open to the network"
    key = f"{name}.proxy_protocol" if getattr(settings, f"{name}_proxy_protocol") else "trusted_proxies"
    return key, f"a proxy can open {name}.port to the network"


def is_for_this_machine_only(settings: Settings) -> bool:
    """Whether only programs on this machine can call REST."""
    return not any(openings(settings))


def requires_login(settings: Settings, has_accounts: bool) -> bool:
    """Whether callers must log in. `has_accounts`: there is an active user or a valid token.

    Decided at the start, never by merely adding the first user: a backend that runs would be locked out at once.
    """
    match auth_mode(settings):
        case RestAuth.REQUIRED:
            return True
        case RestAuth.OFF:
            return False
    if has_accounts or settings.https_client_ca is not None:
        return True
    return not (is_for_this_machine_only(settings) or settings.rest_allow_unauthenticated_remote)


def exposure_faults(settings: Settings, *, has_accounts: bool) -> Iterator[tuple[str, str]]:
    """Why the server must not start: (setting, message) of each listener that is open to strangers."""
    mode = auth_mode(settings)
    if settings.rest_allow_unauthenticated_remote or mode is RestAuth.REQUIRED:
        return
    if mode is RestAuth.AUTO and has_accounts:
        return
    for key, opening in openings(settings):
        if mode is RestAuth.OFF:
            remedy = "set rest.auth=auto after `wcs add user NAME`"
        else:
            remedy = "first `wcs add user NAME` (start with rest.auth=required, or on 127.0.0.1, to do that)"
        yield key, f"{opening}, and nobody has to log in; {remedy}, or set {_CONFIRMED}"


_CONFIRMED = "rest.allow_unauthenticated_remote=true if something else keeps strangers out"


def exposure_warnings(settings: Settings, *, has_accounts: bool) -> Iterator[tuple[str, str]]:
    """What an operator should know before the server starts: (setting, message)."""
    if not requires_login(settings, has_accounts=has_accounts):
        for key, opening in openings(settings):
            yield key, f"{opening}, and nobody has to log in (rest.allow_unauthenticated_remote=true)"
    elif not has_accounts:
        yield "rest.auth", "callers must log in, but there is no active user and no valid token: `wcs add user NAME`"

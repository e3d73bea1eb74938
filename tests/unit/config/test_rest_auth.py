"""When callers of REST must log in, and when the server must not start."""

from pathlib import Path

import pytest

from config.loading import load_settings
from config.rest_auth import exposure_faults, exposure_warnings, is_for_this_machine_only, requires_login
from config.settings import RestAuth, Settings

REMOTE = Settings(http_address="0.0.0.0")
CONFIRMED = Settings(http_address="0.0.0.0", rest_allow_unauthenticated_remote=True)
WITH_CA = Settings(https_client_ca=Path("/ca.pem"))


@pytest.mark.parametrize("address", [None, "0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1"])
def test_a_listener_that_is_open_to_the_network_needs_a_user_or_the_operators_word(address: str | None) -> None:
    for settings in (Settings(http_address=address), Settings(https_address=address)):
        ((key, fault),) = exposure_faults(settings, has_accounts=False)
        assert key == ("https.address" if settings.http_address == "127.0.0.1" else "http.address")
        assert 0 < fault.index("wcs add user") < fault.index("rest.allow_unauthenticated_remote=true")
        assert not list(exposure_faults(settings, has_accounts=True))
        assert requires_login(settings, has_accounts=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_on_loopback_nobody_must_log_in_until_there_is_a_user(address: str) -> None:
    settings = Settings(http_address=address, https_address=address)
    assert is_for_this_machine_only(settings)
    assert not list(exposure_faults(settings, has_accounts=False))
    assert not list(exposure_warnings(settings, has_accounts=False))
    assert not requires_login(settings, has_accounts=False)
    assert requires_login(settings, has_accounts=True)


@pytest.mark.parametrize(
    ("settings", "has_accounts", "required"),
    [
        (CONFIRMED, False, False),
        (CONFIRMED, True, True),
        (WITH_CA, False, True),
        (Settings(rest_auth=RestAuth.REQUIRED), False, True),
        (Settings(disable_rest_auth=False), False, True),
        (Settings(rest_auth=RestAuth.OFF), True, False),
        (Settings(rest_auth=RestAuth.OFF, https_client_ca=Path("/ca.pem")), True, False),
    ],
)
def test_who_must_log_in(settings: Settings, has_accounts: bool, required: bool) -> None:
    assert requires_login(settings, has_accounts=has_accounts) is required


def test_what_is_open_on_the_operators_word_is_warned_of() -> None:
    ((key, warning),) = exposure_warnings(CONFIRMED, has_accounts=False)
    assert (key, warning.partition(" is open")[0]) == ("http.address", "0.0.0.0")
    assert not list(exposure_faults(CONFIRMED, has_accounts=False))


def test_a_server_that_nobody_can_log_in_to_starts_with_a_warning() -> None:
    settings = Settings(http_address="0.0.0.0", rest_auth=RestAuth.REQUIRED)
    assert not list(exposure_faults(settings, has_accounts=False))
    ((key, warning),) = exposure_warnings(settings, has_accounts=False)
    assert key == "rest.auth"
    assert "wcs add user" in warning


def test_off_and_open_to_the_network_is_refused_even_with_users() -> None:
    settings = Settings(http_address="0.0.0.0", rest_auth=RestAuth.OFF)
    ((_, fault),) = exposure_faults(settings, has_accounts=True)
    assert "rest.auth=auto" in fault


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("trusted_proxies=127.0.0.1", "trusted_proxies"),
        ("trusted_proxies=10.0.0.1\nhttp.proxy_protocol=true", "http.proxy_protocol"),
    ],
)
def test_behind_a_proxy_a_caller_on_loopback_may_be_anybody(line: str, key: str) -> None:
    settings = load_settings(line).settings
    assert not is_for_this_machine_only(settings)
    named, fault = next(exposure_faults(settings, has_accounts=False))
    assert named == key
    assert fault.startswith("a proxy can open http.port to the network, and nobody has to log in; first `wcs add user")
    assert requires_login(settings, has_accounts=False)

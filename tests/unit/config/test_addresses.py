"""Which addresses media is told on and bound to, and whose an address is."""

import pytest

from config.loading import SettingsError, load_settings
from config.media_addresses import client_key, media_addresses, serves_this_machine_only

MACHINE = ("10.0.0.1", "fd00::1", "127.0.0.1", "::1")


def addresses(*overrides: str) -> list[tuple[str, str]]:
    settings = load_settings(None, overrides=overrides).settings
    return [(address.public, address.local) for address in media_addresses(settings, MACHINE)]


def test_unset_means_every_address_of_the_machine() -> None:
    assert addresses() == [(own, own) for own in MACHINE]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["ip=10.0.0.1"], [("10.0.0.1", "10.0.0.1")]),
        (["ip_local=10.0.0.1,fd00::1"], [("10.0.0.1", "10.0.0.1"), ("fd00::1", "fd00::1")]),
        (["ip=192.0.2.1/10.0.0.1,::1"], [("192.0.2.1", "10.0.0.1"), ("::1", "::1")]),
        (
            ["ip=192.0.2.1,2001:db8::1", "ip_local=10.0.0.1,fd00::1"],
            [("192.0.2.1", "10.0.0.1"), ("2001:db8::1", "fd00::1")],
        ),
        (["ip=192.0.2.1/10.0.0.1,10.0.0.1"], [("192.0.2.1", "10.0.0.1"), ("10.0.0.1", "10.0.0.1")]),
        (["ip=127.0.0.5"], [("127.0.0.5", "127.0.0.5")]),
        (["ip=8.8.8.8", "ip_local=0.0.0.0"], [("8.8.8.8", "10.0.0.1")]),
        (
            ["ip=8.8.8.8,2001:4860::8,10.0.0.1"],
            [("8.8.8.8", "10.0.0.1"), ("2001:4860::8", "fd00::1"), ("10.0.0.1",) * 2],
        ),
    ],
)
def test_configured(overrides: list[str], expected: list[tuple[str, str]]) -> None:
    assert addresses(*overrides) == expected


def test_an_address_that_the_machine_lacks_is_refused_with_what_it_has() -> None:
    with pytest.raises(ValueError, match=r"192\.0\.2\.1 is not an .* \(behind NAT: ip=192\.0\.2\.1/LOCAL\); it has"):
        addresses("ip=192.0.2.1")
    with pytest.raises(ValueError, match=r"10\.9\.9\.9 is not an address of this machine; it has 10\.0\.0\.1, fd00::1"):
        addresses("ip=192.0.2.1/10.9.9.9")


@pytest.mark.parametrize("machine", [("10.0.0.1", "10.0.0.2"), ("9.9.9.9",), ("127.0.0.1", "fd00::1"), ()])
def test_a_public_address_that_could_lead_anywhere_is_refused(machine: tuple[str, ...]) -> None:
    settings = load_settings(None, overrides=["ip=8.8.8.8"]).settings
    with pytest.raises(ValueError, match=r"8\.8\.8\.8 is not an address of this machine \(behind NAT"):
        media_addresses(settings, machine)


@pytest.mark.parametrize(
    ("overrides", "fault"),
    [
        (["ip=192.0.2.1/10.0.0.1", "ip_local=10.0.0.1"], "ip already has local addresses"),
        (["ip=192.0.2.1", "ip_local=fd00::1"], "pairs IPv4 with IPv6"),
    ],
)
def test_settings_that_do_not_fit(overrides: list[str], fault: str) -> None:
    with pytest.raises(SettingsError, match=fault):
        addresses(*overrides)


@pytest.mark.parametrize(
    ("address", "holder"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_limits_are_counted_by_who_can_hold_an_address(address: str, holder: str) -> None:
    assert client_key(address) == holder


@pytest.mark.parametrize(
    ("overrides", "is_private"),
    [
        ([], True),
        (["http.address=::1"], True),
        (["trusted_proxies=10.0.0.0/8"], True),
        (["trusted_proxies=127.0.0.1"], False),
        (["trusted_proxies=::/0"], False),
        (["trusted_proxies=10.0.0.0/8", "https.proxy_protocol=true"], True),
        (["trusted_proxies=10.0.0.0/8", "http.proxy_protocol=true"], False),
        (["http.address="], False),
        (["http.address=192.0.2.1"], False),
    ],
)
def test_whether_only_this_machine_reaches_a_listener(overrides: list[str], is_private: bool) -> None:
    allowed = "rest.allow_unauthenticated_remote=true"
    settings = load_settings(None, overrides=[*overrides, allowed]).settings
    assert serves_this_machine_only(settings, "http") is is_private

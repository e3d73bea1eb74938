"""Which addresses hooks may go to."""

from ipaddress import ip_network

import pytest

from protocol.hooks.networks import HookNetworks


def networks(*listed: str) -> HookNetworks:
    return HookNetworks(tuple(ip_network(each) for each in listed))


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "fe80::1", "fe80::1%eth0"),
        *("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "64:ff9b:1::a9fe:a9fe"),
    ],
)
def test_link_local_and_metadata_addresses_are_out_of_reach(address: str) -> None:
    assert not networks().allows(address)
    assert not networks("0.0.0.0/0", "::/0").allows(address)  # not even by listing everything


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.1.2.3", "192.0.2.1", "2001:db8::1", "fd00::1", "::ffff:10.0.0.1"]
)
def test_all_others_are_not(address: str) -> None:
    assert networks().allows(address)


def test_with_a_list_hooks_go_nowhere_else() -> None:
    listed = networks("10.0.0.0/8", "2001:db8::/32")
    assert [listed.allows(each) for each in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1", "127.0.0.1", "::1")] == [
        *(True, True, True, False, False)
    ]


def test_a_link_local_address_can_be_listed_by_itself() -> None:
    listed = networks("169.254.7.0/24", "0.0.0.0/0")
    assert listed.allows("169.254.7.1")
    assert not listed.allows("169.254.169.254")

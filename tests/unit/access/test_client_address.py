"""Who a client is behind proxies, and whose word counts."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.access.client_address import MAX_HOPS, ClientAddress, TrustedProxies

PROXY = ClientAddress(address="10.0.0.1", port=5000)
STRANGER = ClientAddress(address="203.0.113.5", port=6000)
TRUSTED = TrustedProxies((ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48")))


def named(*forwarded_for: str, peer: ClientAddress = PROXY, trusted: TrustedProxies = TRUSTED) -> str:
    return trusted.client_of(peer, forwarded_for).address


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        (["192.0.2.1"], "192.0.2.1"),
        (["8.8.8.8, 192.0.2.1"], "192.0.2.1"),
        (["8.8.8.8", "192.0.2.1"], "192.0.2.1"),
        (["192.0.2.1, 10.9.9.9"], "192.0.2.1"),
        (["192.0.2.1, 2001:db8:ffff::5, 10.9.9.9"], "192.0.2.1"),
        (["192.0.2.1:4711"], "192.0.2.1"),
        (["[2001:db8::1]:4711"], "2001:db8::1"),
        (["[2001:db8::1]"], "2001:db8::1"),
        (['"[2001:db8::1]:4711"'], "2001:db8::1"),
        (["2001:DB8:0::1"], "2001:db8::1"),
        (["::ffff:192.0.2.1"], "192.0.2.1"),
        (["127.0.0.1"], "127.0.0.1"),
        (["  192.0.2.1\t"], "192.0.2.1"),
        (["192.0.2.1:99999"], "192.0.2.1"),
        (["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
    ],
)
def test_it_is_the_right_most_address_that_is_not_trusted(forwarded_for: list[str], client: str) -> None:
    assert named(*forwarded_for) == client


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        (["unknown"], "10.0.0.1"),
        (["192.0.2.1, unknown"], "10.0.0.1"),
        (["192.0.2.1, unknown, 10.3.3.3"], "10.3.3.3"),
        (["192.0.2.1, _hidden, 10.3.3.3"], "10.3.3.3"),
        ([""], "10.0.0.1"),
        (["192.0.2.1,"], "10.0.0.1"),
        (["192.0.2.1/24"], "10.0.0.1"),
        (["1.2.3"], "10.0.0.1"),
        (["[2001:db8::1"], "10.0.0.1"),
        (["2001:db8::1]:1"], "10.0.0.1"),
        (["192.0.2.1:"], "10.0.0.1"),
        (["example.com"], "10.0.0.1"),
        (["\u0661\u0662.0.0.1"], "10.0.0.1"),
        ([], "10.0.0.1"),
    ],
)
def test_at_what_is_no_address_the_last_proxy_is_the_client(forwarded_for: list[str], client: str) -> None:
    assert named(*forwarded_for) == client


def test_a_stranger_is_not_believed() -> None:
    assert TRUSTED.client_of(STRANGER, ["192.0.2.1"]) is STRANGER
    assert TrustedProxies().client_of(PROXY, ["192.0.2.1"]) is PROXY


def test_ports_are_taken_where_they_are_told() -> None:
    assert TRUSTED.client_of(PROXY, ["192.0.2.1:4711"]).port == 4711
    assert TRUSTED.client_of(PROXY, ["192.0.2.1"]).port == 0


def test_a_client_named_by_a_proxy_is_known_as_such() -> None:
    assert TRUSTED.client_of(PROXY, ["192.0.2.1"]).is_forwarded
    assert not TRUSTED.client_of(PROXY, []).is_forwarded


def test_an_ipv4_proxy_on_an_ipv6_socket_is_trusted() -> None:
    assert TRUSTED.trusts("::ffff:10.0.0.1")
    assert TRUSTED.trusts("2001:db8:ffff::1%eth0")
    assert not TRUSTED.trusts("2001:db8::1")


def test_so_many_entries_are_read_and_no_more() -> None:
    hops = ["10.0.0.9"] * (MAX_HOPS - 1)
    assert named(", ".join(["192.0.2.1", *hops])) == "192.0.2.1"
    assert named(", ".join(["192.0.2.1", "10.0.0.8", *hops])) == "10.0.0.8"


@given(st.lists(st.text(max_size=40), max_size=5))
def test_whatever_a_client_sends_the_proxys_own_entry_counts(forged: list[str]) -> None:
    assert named(*forged, "192.0.2.1") == "192.0.2.1"
    assert named(", ".join([*forged, "192.0.2.1"])) == "192.0.2.1"


# -- the scheme ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded_proto", "scheme"),
    [
        (PROXY, ["https"], "https"),
        (PROXY, [" HTTPS "], "https"),
        (PROXY, ["http"], "http"),
        (PROXY, [], "http"),
        (PROXY, ["https", "https"], "http"),
        (PROXY, ["https, http"], "http"),
        (PROXY, ["wss"], "http"),
        (STRANGER, ["https"], "http"),
        (ClientAddress(address="192.0.2.1", is_forwarded=True, is_secure=True), [], "https"),
        (ClientAddress(address="192.0.2.1", is_forwarded=True, is_secure=True), ["http"], "https"),
    ],
)
def test_the_scheme_is_the_clients(peer: ClientAddress, forwarded_proto: list[str], scheme: str) -> None:
    assert TRUSTED.scheme_of(peer, "http", forwarded_proto) == scheme


# -- this machine ----------------------------------------------------------------------------------------------------

HERE = TrustedProxies((ip_network("127.0.0.1"),))


@pytest.mark.parametrize(
    ("address", "is_forwarded", "trusted", "is_here"),
    [
        ("127.0.0.1", False, TrustedProxies(), True),
        ("::ffff:127.0.0.2", False, TrustedProxies(), True),
        ("::1", False, TrustedProxies(), True),
        ("192.0.2.7", False, TrustedProxies(), False),
        ("fe80::1%eth0", False, TrustedProxies(), False),
        ("127.0.0.1", False, TRUSTED, True),
        ("127.0.0.1", False, HERE, False),
        ("127.0.0.2", False, HERE, True),
        ("127.0.0.1", True, TRUSTED, False),
    ],
)
def test_who_is_on_this_machine(address: str, is_forwarded: bool, trusted: TrustedProxies, is_here: bool) -> None:
    assert trusted.is_on_this_machine(ClientAddress(address=address, is_forwarded=is_forwarded)) is is_here


@pytest.mark.parametrize(
    ("network", "is_here"),
    [
        ("127.0.0.1", True),
        ("0.0.0.0/0", True),
        ("127.0.0.0/30", True),
        ("::/0", True),
        ("::1", True),
        ("10.0.0.0/8", False),
        ("2001:db8::/32", False),
    ],
)
def test_whether_a_proxy_may_be_on_this_machine(network: str, is_here: bool) -> None:
    assert TrustedProxies((ip_network(network),)).trusts_this_machine is is_here

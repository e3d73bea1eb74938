import pytest

from protocol.addresses import client_key, is_loopback


@pytest.mark.parametrize(
    ("address", "key", "local"),
    [
        ("192.0.2.7", "192.0.2.7", False),
        ("::ffff:192.0.2.7", "192.0.2.7", False),
        ("::ffff:127.0.0.2", "127.0.0.2", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "::/64", True),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", False),
        ("fe80::1%eth0", "fe80::/64", False),
    ],
)
def test_whose_an_address_is(address: str, key: str, local: bool) -> None:
    assert client_key(address) == key
    assert is_loopback(address) is local

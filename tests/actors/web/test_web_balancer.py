"""The name by which a page has reached this server, out of its `Host`."""

import pytest

from actors.web.api.server.balancer import host_of


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("wcs.example.com", "wcs.example.com"),
        ("WCS.example.com:8444", "wcs.example.com"),
        ("192.0.2.1:8081", "192.0.2.1"),
        ("[2001:db8::1]:8081", "2001:db8::1"),
        ("wcs", "wcs"),
    ],
)
def test_a_name_or_an_address_leads_back(header: str, host: str) -> None:
    assert host_of(header) == host


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", ":80", "a b", "a/b", "evil.example@wcs", "<script>", "localhost", "localhost.:1", "a.localhost:80"),
        *("127.0.0.1", "127.1.2.3:80", "[::1]:80", "0.0.0.0", "[::]", "[::1", "a" * 254),
    ],
)
def test_what_leads_nowhere_from_another_machine_is_not_told(header: str | None) -> None:
    assert host_of(header) is None

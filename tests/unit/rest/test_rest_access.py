import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.rest.access import AccessRules, Authority, read_authority

RULES = AccessRules(origins=frozenset({"*"}), hosts=frozenset({"media-1", "wcs.example.com"}), check_host=True)
NAMED = AccessRules(origins=frozenset({"https://console.example"}), hosts=frozenset(), check_host=True)


def setting_of(rules: AccessRules, host: str | None, origin: str | None = None, scheme: str = "http") -> str | None:
    refusal = rules.refusal(scheme=scheme, host=host, origin=origin)
    return refusal.setting if refusal else None


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1:8081", "10.1.2.3:8081", "[::1]", "[::1]:8081", "[2001:db8::7]:8444",
        "localhost", "LOCALHOST:8081", "localhost.", "media-1:8081", "Media-1", "wcs.example.com:8081",
    ],
)  # fmt: skip
def test_the_server_is_called_by_an_address_or_a_name_of_its_own(host: str) -> None:
    assert setting_of(RULES, host) is None


@pytest.mark.parametrize(
    "host",
    [
        None, "", ":8081", "evil.example", "evil.example:8081", "localhost.evil.example", "127.0.0.1.evil.example",
        "media-1.evil.example", "[evil]", "[::1", "127.1", "0x7f000001", "wcs.example.com@evil.example",
        "[::1].evil.example", "localhost:80@evil.example", "localhost:80 ", "localhost, evil.example",
    ],
)  # fmt: skip
def test_any_other_name_is_refused(host: str | None) -> None:
    assert setting_of(RULES, host) == "rest.allowed_hosts"


def test_the_host_rule_can_be_switched_off() -> None:
    rules = AccessRules(origins=frozenset(), hosts=frozenset(), check_host=False)
    assert setting_of(rules, "anything.example") is None
    assert setting_of(rules, None) is None


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("http", "127.0.0.1:8081", None),
        ("http", "127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("https", "[::1]:8444", "https://[::1]:8444"),
        ("http", "localhost", "http://localhost"),
        ("http", "localhost:80", "http://localhost"),
        ("https", "localhost", "https://localhost:443"),
    ],
)
def test_no_origin_and_the_own_origin_pass(scheme: str, host: str, origin: str | None) -> None:
    assert setting_of(RULES, host, origin, scheme) is None


@pytest.mark.parametrize(
    "origin",
    [
        "", "null", "*", "http://evil.example", "http://127.0.0.1", "http://127.0.0.1:9000", "https://127.0.0.1:8081",
        "http://localhost:8081", "127.0.0.1:8081", "http://127.0.0.1:8081.evil.example", "http://127.0.0.1:8081/x",
    ],
)  # fmt: skip
def test_a_page_of_another_origin_is_refused_even_under_the_default_star(origin: str) -> None:
    assert setting_of(RULES, "127.0.0.1:8081", origin) == "rest_access_control_allow_origin"


def test_an_origin_that_is_named_passes() -> None:
    assert setting_of(NAMED, "127.0.0.1:8081", "https://console.example") is None
    assert setting_of(NAMED, "127.0.0.1:8081", "https://console.example.evil") is not None


@pytest.mark.parametrize(
    "origin", ["https://console.example:443", "https://Console.Example", "HTTPS://console.example/"]
)
def test_an_app_may_write_an_origin_in_another_way_than_browsers(origin: str) -> None:
    assert setting_of(NAMED, "127.0.0.1:8081", origin) is None
    assert NAMED.allow_origin(origin) == origin


def test_the_refusal_is_a_403_that_names_the_setting_in_words() -> None:
    refusal = RULES.refusal(scheme="http", host="evil.example", origin=None)
    assert refusal is not None
    assert refusal.status_hint == 403
    assert "rest.allowed_hosts" in refusal.message
    assert "'evil.example'" in refusal.message


@given(st.none() | st.text(), st.none() | st.text())
def test_any_headers_get_a_verdict(host: str | None, origin: str | None) -> None:
    setting_of(RULES, host, origin)


def test_allow_origin() -> None:
    both = AccessRules(origins=frozenset({"*", "https://a.example"}), hosts=frozenset(), check_host=True)
    several = AccessRules(
        origins=frozenset({"https://a.example", "https://b.example"}), hosts=frozenset(), check_host=True
    )
    assert RULES.allow_origin(None) == "*"
    assert RULES.allow_origin("http://127.0.0.1:8081") == "*"
    assert both.allow_origin("https://a.example") == "https://a.example"
    assert both.allow_origin(None) == "*"
    assert NAMED.allow_origin(None) == "https://console.example"
    assert several.allow_origin("https://b.example") == "https://b.example"
    assert several.allow_origin(None) is None


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("Example.COM.:80", "example.com", 80),
        ("[::1]:8081", "::1", 8081),
        ("[2001:DB8::7]", "2001:db8::7", None),
        ("10.0.0.1:", "10.0.0.1", None),
    ],
)
def test_an_authority_is_a_host_and_perhaps_a_port(text: str, host: str, port: int | None) -> None:
    assert read_authority(text) == Authority(host=host, port=port)


@pytest.mark.parametrize(
    "text",
    ["", ".", ":80", "[::1].evil.example", "[::1", "[::1]x", "[10.0.0.1]x", "localhost:80@evil", "a b", "a,b", "a:1:2",
     "::1", "user@localhost", "localhost:+80", "localhost:80x", "localhost/x", "localhost\n", "loc\u0131lhost"],
)  # fmt: skip
def test_anything_else_is_no_authority(text: str) -> None:
    assert read_authority(text) is None
    open_rules = AccessRules(origins=frozenset(), hosts=frozenset({"evil", "localhost"}), check_host=False)
    refusal = open_rules.refusal(scheme="http", host=text, origin=None)
    assert (refusal.status_hint if refusal else None) == (400 if text else None)

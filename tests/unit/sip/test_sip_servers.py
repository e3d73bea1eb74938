"""The lists that operators write: SIP servers, callees; and accounts as pages name them."""

from typing import Any

import pytest

from protocol.sip.accounts.account import BadAccount, make_account
from protocol.sip.accounts.callee import CalleeRefused, check_callee, read_callee, read_patterns
from protocol.sip.accounts.servers import SipServer, read_servers

LISTED = "PBX.example.com:5080;transport=tcp, 192.0.2.7, 10.0.0.0/8, [2001:db8::1]"


def test_what_a_list_says() -> None:
    servers = read_servers(LISTED)
    assert servers.find("pbx.EXAMPLE.com") == SipServer(host="pbx.example.com", port=5080, transport="tcp")
    assert servers.find("2001:db8::1") == SipServer(host="2001:db8::1")
    assert read_servers("").is_off
    assert not read_servers("10.0.0.0/8").is_off
    pinned = read_servers(f"a.example;transport=tls;sha256={'AB:' * 31}AB").servers[0]
    assert pinned.fingerprint == "ab" * 32


@pytest.mark.parametrize(
    "text",
    [
        "a b",
        "host:0",
        "10.0.0.1/8",
        "a;transport=ws",
        "a;sha256=12",
        "a;x=1",
        "*;transport=tcp",
        "10.0.0.0/8;transport=tcp",
    ],
)
def test_lists_that_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="has "):
        read_servers(text)


@pytest.mark.parametrize(
    ("listed", "host", "address", "is_allowed"),
    [
        (LISTED, "pbx.example.com", "198.51.100.9", True),
        (LISTED, "pbx.example.com", "192.168.1.9", True),  # an operator's name may be at home
        (LISTED, "pbx.example.com", "127.0.0.1", False),
        (LISTED, "pbx.example.com", "169.254.169.254", False),
        (LISTED, "192.0.2.7", "192.0.2.7", True),
        (LISTED, "10.2.3.4", "10.2.3.4", True),
        (LISTED, "172.16.0.1", "172.16.0.1", False),
        (LISTED, "other.example.com", "198.51.100.9", False),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1", True),
        ("*", "any.example", "8.8.8.8", True),
        ("*", "any.example", "10.0.0.1", False),
        ("*", "any.example", "192.168.0.1", False),
        ("*", "any.example", "127.0.0.1", False),
        ("*", "any.example", "::ffff:10.0.0.1", False),
        ("*", "any.example", "fd00::1", False),
        ("*", "any.example", "224.0.0.1", False),
        ("*", "any.example", "100.64.0.1", False),
        ("*", "any.example", "198.51.100.200", False),  # documentation: not global
    ],
)
def test_where_sip_may_go(listed: str, host: str, address: str, is_allowed: bool) -> None:
    assert read_servers(listed).allows(host, address) is is_allowed


def test_our_own_addresses_are_out_of_reach_unless_listed() -> None:
    assert not read_servers("*").allows("any.example", "8.8.8.8", own=["8.8.8.8"])
    assert read_servers("8.8.8.8").allows("8.8.8.8", "8.8.8.8", own=["8.8.8.8"])


def test_a_name_is_not_looked_up_because_a_network_is_listed() -> None:
    servers = read_servers("10.0.0.0/8")
    assert servers.may_name("10.0.0.1")
    assert not servers.may_name("somewhere.example.com")
    assert read_servers("*").may_name("somewhere.example.com")
    assert not read_servers("").may_name("10.0.0.1")


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("1001", "sip:1001@example.com"),
        (" +49 ", "sip:+49@example.com"),
        ("*21#", "sip:*21%23@example.com"),
        ("bob", "sip:bob@example.com"),
        ("bob@example.com", "sip:bob@example.com"),
        ("sip:bob@PBX.example.com:5080;user=phone?Subject=x", "sip:bob@pbx.example.com:5080"),
        ("sips:bob@example.com", "sip:bob@example.com"),
        ("tel:+49-89-(12).34", "sip:+49891234@example.com"),
    ],
)
def test_whom_a_page_calls(text: str, uri: str) -> None:
    if ";" in text or " " in text.strip():
        with pytest.raises(CalleeRefused):
            read_callee(text, "example.com", read_servers(LISTED))
    else:
        assert str(read_callee(text, "example.com", read_servers(LISTED))) == uri


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a" * 129,
        "bob\r\nX: 1",
        "bob>",
        'b"ob',
        "bob;x=1",
        "bob?Replaces=1",
        "bob,alice",
        "bob\\",
        "sip:example.com",
        "sip:bob@evil.example",
        "bob@evil.example",
        "bob@127.0.0.1",
        "http://example.com",
        "sip:",
    ],
)
def test_whom_nobody_may_call(text: str) -> None:
    with pytest.raises(CalleeRefused):
        read_callee(text, "example.com", read_servers("pbx.example.com"))


@pytest.mark.parametrize(
    ("allow", "deny", "callee", "setting"),
    [
        ("*", "+*,00*", "1001", ""),
        ("*", "+*,00*", "bob", ""),
        ("*", "+*,00*", "*21%23", ""),
        ("*", "+*,00*", "+4989", "sip.callee_deny"),
        ("*", "+*,00*", "%2B4989", "sip.callee_deny"),
        ("*", "+*,00*", "%304989", ""),
        ("*", "+*,00*", "%30%3049", "sip.callee_deny"),
        ("*,+49*", "+*,00*", "+4989", ""),
        ("*,+49*", "+*,+49900*", "+49900123", "sip.callee_deny"),
        ("1*", "", "2", "sip.callee_allow"),
        ("1*", "", "12", ""),
        ("1?", "", "123", "sip.callee_allow"),
        ("", "", "1", "sip.callee_allow"),
        ("BOB", "", "bob", ""),
    ],
)
def test_which_pattern_counts(allow: str, deny: str, callee: str, setting: str) -> None:
    uri = read_callee("x", "example.com", read_servers("example.com"))
    uri = type(uri)(user=callee, host=uri.host)
    patterns = [read_patterns(filter(None, text.split(","))) for text in (allow, deny)]
    if setting:
        with pytest.raises(CalleeRefused) as refused:
            check_callee(uri, *patterns)
        assert refused.value.setting == setting
    else:
        check_callee(uri, *patterns)


def test_patterns_that_nobody_could_match() -> None:
    with pytest.raises(ValueError, match="no callee could match"):
        read_patterns(["a b"])


def test_an_account() -> None:
    servers = read_servers("pbx.example.com, proxy.example.com")
    account = make_account(
        servers,
        login="alice smith",
        domain="PBX.example.com",
        password="secret",
        authentication_name="a1",
        outbound_proxy="proxy.example.com",
        port=5070,
        display_name="Alice",
    )
    assert str(account.address) == '"Alice" <sip:alice%20smith@pbx.example.com>'
    assert str(account.registrar) == "sip:pbx.example.com"
    assert account.server == ("proxy.example.com", 5070)
    assert account.credentials is not None
    assert account.credentials.username == "a1"
    assert "secret" not in repr(account)
    plain = make_account(servers, login="a", domain="pbx.example.com:5090")
    assert (plain.server, plain.credentials) == (("pbx.example.com", 5090), None)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"login": ""}, "sipLogin is empty"),
        ({"login": "a\r\nb"}, "sipLogin is too long"),
        ({"display_name": "x" * 129}, "visibleName is too long"),
        ({"domain": "no host"}, "sipDomain is no host"),
        ({"domain": "evil.example"}, "sipDomain: evil.example is not listed in sip.servers"),
        ({"outbound_proxy": "127.0.0.1"}, "sipOutboundProxy: 127.0.0.1 is not listed in sip.servers"),
    ],
)
def test_accounts_that_are_none(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(BadAccount, match=why):
        make_account(read_servers("pbx.example.com"), **({"login": "a", "domain": "pbx.example.com"} | fields))


@pytest.mark.parametrize("text", ["\ud800", "tel:\udc80", "sip:\udcff@pbx.example.com", "tel:", "tel:().-", "a\u200bb"])
def test_callees_that_are_none(text: str) -> None:
    with pytest.raises(CalleeRefused, match="callee"):
        read_callee(text, "pbx.example.com", read_servers("pbx.example.com"))


@pytest.mark.parametrize(
    "text", ["0-0491", "(0)0491", "0.0.491", "sip:0-0491@pbx.example.com", "sip:%2D00491@pbx", "-+491"]
)
def test_separators_in_a_number_do_not_get_it_past_the_lists(text: str) -> None:
    uri = read_callee(text, "pbx.example.com", read_servers("pbx.example.com,pbx"))
    with pytest.raises(CalleeRefused, match="denied"):
        check_callee(uri, read_patterns(["*"]), read_patterns(["+*", "00*"]))


def test_a_name_with_separators_is_a_name() -> None:
    uri = read_callee("john.doe-2", "pbx.example.com", read_servers("pbx.example.com"))
    check_callee(uri, read_patterns(["john.doe-*"]), read_patterns(["*"]))


def test_a_password_that_cannot_be_sent_is_refused_unseen() -> None:
    with pytest.raises(BadAccount, match="sipPassword") as raised:
        make_account(read_servers("pbx"), login="a", domain="pbx", password="secret\ud800")
    assert "secret" not in str(raised.value)

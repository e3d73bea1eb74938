"""The operator's file of SIP accounts."""

import pytest

from config.tables.sip_accounts import SipAccountsError, read_sip_accounts

GOOD = """
[support]
login = "alice"
password = "secret"
domain = "pbx.example.com"
port = 5080
apps = ["shop"]

[sales]
login = "bob"
domain = "pbx.example.com"
"""


def test_accounts_have_names() -> None:
    accounts = read_sip_accounts(GOOD)
    assert set(accounts) == {"support", "sales"}
    support = accounts["support"]
    assert (support.login.login, support.login.password, support.login.port) == ("alice", "secret", 5080)
    assert support.apps == frozenset({"shop"})
    assert accounts["sales"].apps is None
    assert "secret" not in repr(accounts)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("login = 1", "no account"),
        ("[a]\nlogin = 'x'", "domain is missing"),
        ("[a]\ndomain = 'x'", "login is missing"),
        ("[a]\nlogin = 'x'\ndomain = 'y'\npasword = 'secret'", "did you mean"),
        ("[a]\nlogin = 'x'\ndomain = 'y'\npassword = 7", "password must be text"),
        ("[a]\nlogin = 'x'\ndomain = 'y'\nport = 70000", "port"),
        ("[a]\nlogin = 'x'\ndomain = 'y'\napps = 'shop'", "apps"),
        ("[a\n", "line 1"),
    ],
)
def test_a_fault_is_told_without_the_secrets(text: str, fault: str) -> None:
    with pytest.raises(SipAccountsError, match=fault) as raised:
        read_sip_accounts(text)
    assert "secret" not in str(raised.value)

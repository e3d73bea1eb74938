"""The header Authorization, as clients send it and as attackers do."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.access.credentials import BadCredentials, Basic, Bearer, read_authorization


def basic(text: bytes) -> str:
    return "Basic " + base64.b64encode(text).decode()


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (basic(b"alice:secret"), Basic("alice", "secret")),
        (basic(b"alice:a:b"), Basic("alice", "a:b")),
        (basic(b":"), Basic("", "")),
        (basic("jörg:grün".encode()), Basic("jörg", "grün")),
        (basic("jörg:grün".encode("latin-1")), Basic("jörg", "grün")),
        ("basic  " + base64.b64encode(b"a:b").decode(), Basic("a", "b")),
        ("Bearer wcsd_abc", Bearer("wcsd_abc")),
        ("BEARER wcsd_abc ", Bearer("wcsd_abc")),
    ],
)
def test_what_is_understood(header: str, read: Basic | Bearer) -> None:
    assert read_authorization(header) == read


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !",
        "Bearer",
        "Bearer ",
        "Digest username=x",
        basic(b"nocolon"),
        "Basic YTpi\u00fc",
        "B" * 9000,
    ],
)
def test_what_is_not(header: str) -> None:
    with pytest.raises(BadCredentials):
        read_authorization(header)


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    for header in ("Bearer-secret", "Basic secret", basic(b"secret")):
        with pytest.raises(BadCredentials) as caught:
            read_authorization(header)
        assert header.split()[-1] not in str(caught.value)


@given(st.text())
def test_any_header_is_read_or_refused(header: str) -> None:
    with contextlib.suppress(BadCredentials):
        assert isinstance(read_authorization(header), Basic | Bearer)


def test_passwords_and_tokens_do_not_appear_in_texts() -> None:
    assert "secret" not in repr(Basic("alice", "secret")) + repr(Bearer("secret"))

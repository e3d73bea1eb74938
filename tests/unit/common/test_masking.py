"""How URIs are shown, wherever they are and whatever is wrong with them."""

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.common.masking import masked, masked_uri
from tests.support.masked_texts import MASKED_TEXTS


@pytest.mark.parametrize(("text", "shown"), MASKED_TEXTS)
def test_what_may_be_secret_is_hidden_and_the_rest_is_shown(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked(shown) == shown


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("u:secret", "***"),
        ("secret@host", "***@host"),
        ("host:80/x", "host:80/x"),
        ("ht!tp://u:secret@host", "***://***@host"),
        ("http:/u:secret@host", "***"),
        ("u:se cret@host", "***@host"),
    ],
)
def test_what_is_meant_to_be_a_uri_is_masked_whatever_it_is(uri: str, shown: str) -> None:
    assert masked_uri(uri) == shown


# -- no secret of any form survives ------------------------------------------------------------------------------------

MARK = "S3CRET"
SCHEMES = st.sampled_from(["rtsp", "RTMPS", "http", "https", "srt", "vod-live", "x+y.z"])
HOSTS = st.sampled_from(["cam.example", "10.0.0.1:554", "[2001:db8::1]", "[::ffff:1.2.3.4]:80", "кам.example", ""])
USERS = st.sampled_from(["", "admin", "j%40e", "ü"])


AWKWARD = ":// %40 %2F % @ @@ / ? # : [ ] \\ & ; = \" ' < > é \uff20 12 x"


def secrets(without: str = "") -> st.SearchStrategy[str]:
    """Texts with the mark in them, and around it whatever a secret may have."""
    awkward = st.sampled_from([*AWKWARD.split(), " ", "\n", "\t", "\u2028", "\xa0"])
    allowed = awkward.filter(lambda piece: not set(piece) & set(without)) | st.characters(
        exclude_characters=without, exclude_categories=["Cs"]
    )
    around = st.lists(allowed, max_size=6).map("".join)
    return st.builds(lambda before, after: before + MARK + after, around, around)


BREAKS = " \t\n\r\f\v\"'<>"
"""Where a URI in a text ends that is not quoted."""


def check(*texts: str) -> None:
    for text in texts:
        shown = masked(text)
        assert MARK not in shown, text
        assert masked(shown) == shown, text


def in_texts(uri: str) -> list[str]:
    """The URI alone, and in texts where it is quoted or escaped."""
    escaped = quote(uri, safe="")
    return [
        uri,
        f"cannot open {uri!r}: it's no use",
        f"told {json.dumps({'url': uri, 'name': 'x'})}",
        f"name={escaped} gone",
        f"http://host/find/{escaped}/now",
        f"GET /find?name={quote(escaped, safe='')}&x=1 HTTP/1.1",
    ]


@given(SCHEMES, USERS, secrets(), HOSTS)
def test_no_password_survives(scheme: str, user: str, secret: str, host: str) -> None:
    check(*in_texts(f"{scheme}://{user}:{secret}@{host}/live"), *in_texts(f"{scheme}://{secret}@{host}"))
    for uri in (f"{user}:{secret}@{host}", f":{secret}@{host}/live", f":/{user}:{secret}@{host}"):
        assert MARK not in masked_uri(uri)


@given(SCHEMES, USERS, secrets(without=BREAKS), HOSTS)
def test_no_password_survives_in_a_sentence(scheme: str, user: str, secret: str, host: str) -> None:
    bare = f"{user}:{secret}@{host}"
    check(f"cannot open {scheme}://{bare}/live, no", f"to {bare}/live", bare)


@given(SCHEMES, HOSTS, secrets(without="&;"))
def test_no_value_of_a_query_survives(scheme: str, host: str, secret: str) -> None:
    for path in ("/live", "", "/user=admin&channel=1"):
        check(*in_texts(f"{scheme}://{host}{path}?a=1&key={secret}&b=2"))
    check(*in_texts(f"{scheme}://{host}/?{quote(secret, safe='')}"))


@given(st.sampled_from(["rtmp", "RTMPS"]), HOSTS, secrets(without="?#&;="), st.sampled_from(["", "?a=1", "/more"]))
def test_no_stream_key_survives(scheme: str, host: str, secret: str, more: str) -> None:
    check(*in_texts(f"{scheme}://{host}/live/{secret}{more}"))


@given(st.text())
def test_what_was_masked_stays_as_it_is(text: str) -> None:
    shown = masked(text)
    assert masked(shown) == shown


def test_a_long_text_takes_no_longer_for_each_character() -> None:
    for hostile in ("%3A", "a", "@", ":", "'a", "://", "\\", "%25", "?=", "&"):
        assert len(masked(hostile * 100_000 + " ://@ %3A%2F%2F")) < 3_000_000

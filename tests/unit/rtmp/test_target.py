"""URLs of targets: what they name, what is refused, and what is shown of them."""

import pytest

from protocol.common.masking import HIDDEN
from protocol.rtmp.target import MAX_LENGTH, BadTarget, read_target, without_secrets

KEY = "abcd-efgh-1234"


@pytest.mark.parametrize(
    ("url", "host", "port", "app", "tc_url"),
    [
        ("rtmp://h.example/live", "h.example", 1935, "live", "rtmp://h.example/live"),
        ("rtmp://h.example:99/live/", "h.example", 99, "live", "rtmp://h.example:99/live"),
        ("RTMPS://H.example/a/b", "h.example", 443, "a/b", "rtmps://H.example/a/b"),
        ("rtmp://[::1]:99/live?token=x", "::1", 99, "live?token=x", "rtmp://[::1]:99/live?token=x"),
    ],
)
def test_the_name_is_added_to_an_application(url: str, host: str, port: int, app: str, tc_url: str) -> None:
    target = read_target(url, "rtmp_news", is_full=False)
    assert (target.host, target.port, target.app, target.key) == (host, port, app, "rtmp_news")
    assert target.tc_url == tc_url
    assert target.is_secure == url.lower().startswith("rtmps")


@pytest.mark.parametrize(
    ("url", "app", "key"),
    [
        (f"rtmp://h/live2/{KEY}", "live2", KEY),
        (f"rtmps://h:443/rtmp/{KEY}?s_bl=1&a=b", "rtmp", f"{KEY}?s_bl=1&a=b"),
        (f"rtmp://h/app/instance/{KEY}", "app/instance", KEY),
    ],
)
def test_a_whole_url_ends_with_the_key(url: str, app: str, key: str) -> None:
    target = read_target(url, "rtmp_news", is_full=True)
    assert (target.app, target.key) == (app, key)
    assert KEY not in f"{target!r} {target.shown}"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "live",
            "http://h/live",
            "rtmp:/h/live",
            "rtmp://",
            "rtmp:///live",
            "rtmp://h",
            "rtmp://h/",
            "rtmp://h?x",
        ),
        *("rtmp://h:0/live", "rtmp://h:65536/live", "rtmp://h:x/live", "rtmp://user@h/live", "rtmp://h/li ve"),
        *("rtmp://:secret@h/live", "rtmp://user:@h/live", "rtmp://us%0aer:secret@h/live"),
        *("rtmp://100%:secret@h/live", "rtmp://a:secret%zz@h/live", "rtmp://a:secret%ff@h/live"),
        *("rtmp://h/live#x", "rtmp://h\\@other/live", "rtmp://h/live\n", "rtmp://h\u00e9/live", "rtmp://h live=1/x"),
        *("file:///etc/passwd", "rtmpt://h/live", "rtmp://h/" + "x" * MAX_LENGTH),
    ],
)
def test_what_names_no_target_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(BadTarget) as refused:
        read_target(url, "rtmp_news", is_full=False)
    assert "secret" not in str(refused.value)


def test_a_user_is_no_part_of_what_the_target_is_told_and_is_not_shown() -> None:
    target = read_target("rtmp://j%40e:s%2Fec:ret@h/live", "rtmp_news", is_full=False)
    assert target.user is not None
    assert (target.user.name, target.user.password) == ("j@e", "s/ec:ret")
    assert (target.tc_url, target.app, target.shown) == ("rtmp://h/live", "live", "rtmp://***@h/live")
    assert not any(secret in repr(target) + repr(target.user) for secret in ("ec:ret", "s%2Fec"))


@pytest.mark.parametrize(
    ("user", "name", "password"),
    [
        ("100%25:a%2525b", "100%", "a%25b"),
        ("j%C3%B6rg:%3a%40%2F%3F%23", "jörg", ":@/?#"),
        ("a+b:c+d", "a+b", "c+d"),
        ("a%3Ab:c:d", "a:b", "c:d"),
    ],
)
def test_user_and_password_are_decoded_once(user: str, name: str, password: str) -> None:
    target = read_target(f"rtmp://{user}@h/live", "rtmp_news", is_full=False)
    assert target.user is not None
    assert (target.user.name, target.user.password) == (name, password)


def test_a_whole_url_needs_a_key() -> None:
    with pytest.raises(BadTarget):
        read_target("rtmp://h/live", "rtmp_news", is_full=True)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtmp://h/live", "rtmp://h/live"),
        (f"rtmps://h:443/live2/{KEY}", "rtmps://h:443/live2/***"),
        (f"rtmp://h/live?token={KEY}", "rtmp://h/live?token=***"),
        (f"rtmp://user:{KEY}@h/live/{KEY}?x={KEY}", "rtmp://***@h/live/***?x=***"),
    ],
)
def test_what_is_secret_is_not_shown(url: str, shown: str) -> None:
    assert read_target(url, KEY, is_full=False).shown == shown


def test_what_a_target_says_is_told_without_the_key() -> None:
    said = f"NetStream.Publish.BadName: live/{KEY}?sig=1 with token=t0p"
    told = without_secrets(said, f"{KEY}?sig=1", "live?token=t0p")
    assert KEY not in told
    assert "t0p" not in told
    assert "BadName" in told


def test_what_proves_a_user_is_hidden() -> None:
    proof = "?authmod=adobe&user=joe&challenge=ab&response=cd=="
    assert (
        without_secrets(f"no such application: live{proof}", "", "live", proof) == f"no such application: live{HIDDEN}"
    )

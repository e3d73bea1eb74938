"""Where Redis is, as the setting says it."""

from pathlib import Path
from urllib.parse import quote

import pytest

from config.loading import SettingsError, load_settings
from protocol.cluster.redis_url import RedisUrl, parse_redis_url, unix_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("redis://host", RedisUrl(hosts=(("host", 6379),))),
        ("redis://host:7000/3", RedisUrl(hosts=(("host", 7000),), db=3)),
        ("redis://[::1]:7000?db=2", RedisUrl(hosts=(("::1", 7000),), db=2)),
        ("rediss://me:p%40ss@host", RedisUrl(hosts=(("host", 6379),), tls=True, username="me", password="p@ss")),
        ("redis://:secret@10.0.0.1/", RedisUrl(hosts=(("10.0.0.1", 6379),), password="secret")),
        ("unix:///run/redis.sock", RedisUrl(path="/run/redis.sock")),
        ("unix://:secret@/run/a%20b.sock?db=1", RedisUrl(path="/run/a b.sock", db=1, password="secret")),
        (
            "redis+sentinel://one,two:5000/main/4",
            RedisUrl(hosts=(("one", 26379), ("two", 5000)), service="main", db=4),
        ),
        (
            "rediss+sentinel://:secret@one/main",
            RedisUrl(hosts=(("one", 26379),), service="main", tls=True, password="secret"),
        ),
        (
            "redis+sentinel://one/main/2?sentinel_user=me&sentinel_password=p%2Bss",
            RedisUrl(hosts=(("one", 26379),), service="main", db=2, sentinel_username="me", sentinel_password="p+ss"),
        ),
        (
            "redis+sentinel://:a+b@one/main?sentinel_user=&sentinel_password=c+d",
            RedisUrl(hosts=(("one", 26379),), service="main", password="a+b", sentinel_password="c+d"),
        ),
    ],
)
def test_each_form_is_read(text: str, url: RedisUrl) -> None:
    assert parse_redis_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "", "host", "http://host", "redis://", "redis://a,b", "redis://host:0", "redis://host:x", "redis://host/x",
        "redis://host?db=-1", "redis://host?ssl=1", "redis://host#x", "unix://", "unix:///", "unix://run/redis.sock",
        "redis+sentinel://host", "redis+sentinel:///main", "redis://[::1", "redis://host/9999999999",
        "rediss+sentinel://host", "redis://host?sentinel_password=x", "redis+sentinel://host/main?ssl=1",
        "redis+sentinel://" + ",".join("h" * 17) + "/main",
    ],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|has|names|does) "):
        parse_redis_url(text)


@pytest.mark.parametrize("password", ["pa/ss", "pa?ss", "pa#ss", "123/4@5"])
@pytest.mark.parametrize("form", ["redis://:{}@host:6379", "rediss://me:{}@host", "redis+sentinel://:{}@one,two/main"])
def test_a_password_that_ends_the_address_is_to_be_encoded(password: str, form: str) -> None:
    """It is the rest of the URL that then makes no sense."""
    with pytest.raises(ValueError, match=r"must be percent-encoded: / is %2F, \? is %3F, # is %23$"):
        parse_redis_url(form.format(password))
    assert parse_redis_url(form.format(quote(password, safe=""))).password == password


def test_an_ipv6_address_has_brackets() -> None:
    with pytest.raises(ValueError, match=r"without brackets: \[::1\]:6379$"):
        parse_redis_url("redis://::1:6379")


@pytest.mark.parametrize("path", ["/run/redis.sock", "/a b/100%/c?d=e#f,g/\u00e9.sock"])
def test_any_path_of_a_socket_can_be_in_a_url(path: str) -> None:
    loaded = load_settings(f"cluster.redis_url = {unix_url(Path(path))}\n")
    assert loaded.settings.cluster_redis_url == RedisUrl(path=path)


def test_the_password_is_never_shown() -> None:
    url = parse_redis_url("rediss://me:secret@host")
    watched = parse_redis_url("redis+sentinel://host/main?sentinel_password=secret")
    assert "secret" not in f"{url} {url!r} {watched} {watched!r}"
    loaded = load_settings("cluster.redis_url = redis://:secret@host\n")
    assert "secret" not in repr(loaded.settings)
    with pytest.raises(SettingsError) as refused:
        load_settings("cluster.redis_url = http://:secret@host\n")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "redis://host:6379", "rediss://[::1]:1", "unix:///run/x",
        "redis+sentinel://a:1,b:2/main", "rediss+sentinel://a:1/main",
    ],
)  # fmt: skip
def test_it_is_shown_as_it_is_written(text: str) -> None:
    assert str(parse_redis_url(text)) == text

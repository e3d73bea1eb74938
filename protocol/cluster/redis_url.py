"""Where Redis is: the value of `cluster.redis_url`.

redis://[[user]:password@]host[:port][/db]
rediss://...                                                 the same over TLS
unix://[[user]:password@]/path/to/redis.sock[?db=0]
redis+sentinel://[[user]:password@]host[:port][,host...]/name[/db]    the primary that Sentinel names
rediss+sentinel://...                                        the same over TLS, to the Sentinels and to Redis

User and password before the hosts are for Redis. Those for the Sentinels follow as options, `?sentinel_user=` and
`?sentinel_password=`, which may stand beside `db`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

from attrs import evolve, field, frozen

FORMS: Final = "redis://, rediss://, unix://, redis+sentinel://host:port,.../name or rediss+sentinel://...; or empty"
_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_MOST_DATABASES: Final = 1_000_000


@frozen(kw_only=True)
class RedisUrl:
    """One Redis, or the Sentinels that know where it is. The password is in no text that is shown."""

    hosts: tuple[tuple[str, int], ...] = ()
    """Of Redis; with `service`, of its Sentinels; empty with a `path`."""
    path: str | None = None
    """Of its Unix socket."""
    service: str | None = None
    """The name under which Sentinel knows it."""
    tls: bool = False
    """To Redis, and to its Sentinels."""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """For people: without user and password."""
        if self.path is not None:
            return f"unix://{self.path}"
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        scheme = "rediss" if self.tls else "redis"
        return f"{scheme}://{hosts}" if self.service is None else f"{scheme}+sentinel://{hosts}/{self.service}"


def unix_url(path: Path) -> str:
    """The URL of a Redis with this socket, whatever characters are in the path."""
    return f"unix://{quote(str(path))}"


def parse_redis_url(text: str) -> RedisUrl:
    """Read a URL. Raises ValueError, whose text shows nothing of the URL."""
    try:
        url = urlsplit(text)
        username, password, hosts = _authority(url.netloc)
    except ValueError:
        raise ValueError("is not a URL") from None
    if "@" in text.removeprefix(f"{url.scheme}://{url.netloc}") and "@" not in url.netloc and url.scheme != "unix":
        raise ValueError("has a user or password that must be percent-encoded: / is %2F, ? is %3F, # is %23")
    match url.scheme:
        case "redis" | "rediss":
            (host,) = _hosts(hosts, _PORT, most=1)
            db = _database(url.path.strip("/"), _options(url))
            where = RedisUrl(hosts=(host,), tls=url.scheme == "rediss", db=db)
        case "unix":
            if hosts or not url.path.startswith("/") or url.path == "/":
                raise ValueError("has no absolute path after unix://")
            where = RedisUrl(path=unquote(url.path), db=_database("", _options(url)))
        case "redis+sentinel" | "rediss+sentinel":
            where = _watched(url, hosts)
        case _:
            raise ValueError("has an unknown scheme")
    return evolve(where, username=username, password=password)


def _watched(url: SplitResult, hosts: str) -> RedisUrl:
    service, _, db = url.path.strip("/").partition("/")
    if not service:
        raise ValueError("does not name the service, as in redis+sentinel://host:26379/NAME")
    options = _options(url, "sentinel_user", "sentinel_password")
    return RedisUrl(
        hosts=_hosts(hosts, _SENTINEL_PORT, most=16),
        service=unquote(service),
        tls=url.scheme.startswith("rediss"),
        db=_database(db, options),
        sentinel_username=options.get("sentinel_user") or None,
        sentinel_password=options.get("sentinel_password") or None,
    )


def _authority(netloc: str) -> tuple[str | None, str | None, str]:
    """User, password and what follows them."""
    credentials, at, hosts = netloc.rpartition("@")
    if not at:
        return None, None, hosts
    username, _, password = credentials.partition(":")
    return unquote(username) or None, unquote(password) or None, hosts


def _hosts(text: str, default_port: int, *, most: int) -> tuple[tuple[str, int], ...]:
    each = text.split(",")
    if len(each) > most:
        raise ValueError(f"names more than {most} host{'s' if most > 1 else ''}")
    return tuple(_host(one, default_port) for one in each)


def _host(text: str, default_port: int) -> tuple[str, int]:
    if text.count(":") > 1 and "[" not in text:
        raise ValueError("has an IPv6 address without brackets: [::1]:6379")
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port if parts.port is not None else default_port
    except ValueError:
        raise ValueError("has a port that is none") from None
    if not parts.hostname or not port:
        raise ValueError("names no host")
    return parts.hostname, port


def _options(url: SplitResult, *more: str) -> dict[str, str]:
    """What follows the question mark. It may be `db`, and what else is named."""
    options = parse_qs(url.query.replace("+", "%2B"), keep_blank_values=True)  # a plus is one, as before the hosts
    known = ("db", *more)
    if set(options) - set(known) or url.fragment:
        raise ValueError(f"has options other than {', '.join(known)}")
    return {name: values[0] for name, values in options.items()}


def _database(path: str, options: Mapping[str, str]) -> int:
    number = options.get("db", path or "0")
    if not number.isascii() or not number.isdecimal() or int(number[:9]) > _MOST_DATABASES:
        raise ValueError("has a database that is no number")
    return int(number)

"""Clients of Redis. Where Sentinels know which Redis it is, they are asked anew for each client."""

import logging
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import trio
from attrs import evolve
from coredis import Redis
from coredis.exceptions import AuthenticationRequiredError, ReadOnlyError, ResponseError, UnknownCommandError
from coredis.retry import NoRetryPolicy

from actors.runtime.actor import crash_guard
from protocol.cluster.members import BEAT_INTERVAL
from protocol.cluster.redis_url import RedisUrl

NO_ANSWER = "no answer in time"
OLDEST_REDIS = "Redis 7 or Valkey 8"
_PRIMARY = "master"
"""As ROLE says it."""
_SEARCH = 0.8
"""Of the time that Redis may take to answer, how much Sentinels may: the rest is to say why none has."""

logging.getLogger("coredis").setLevel(logging.CRITICAL)  # it logs with tracebacks what it also raises


class LinkFailed(Exception):
    """Redis cannot be reached, or no longer, or not as it should be. The connection is of no more use."""


class ScriptRefused(Exception):
    """Redis answers that it does not carry out the script."""


@contextmanager
def one_kind_of_failure() -> Iterator[None]:
    """Whatever coredis raises, which is much and of many kinds, as LinkFailed or ScriptRefused."""
    errors: list[BaseException] = []
    with crash_guard(errors.append):
        yield
    for error in map(_first, errors):
        if isinstance(error, LinkFailed):
            raise error
        if isinstance(error, ResponseError) and not isinstance(error, ReadOnlyError):  # it is no primary any more
            raise ScriptRefused(_refusal(error)) from error
        raise LinkFailed(_why(error)) from error


def _first(error: BaseException) -> BaseException:
    """Of a group, as the nurseries of coredis make them, the first error."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _refusal(error: ResponseError) -> str:
    """What Redis answers, in its own words where they tell an operator what to do."""
    if isinstance(error, AuthenticationRequiredError):
        return "Redis refuses: it wants a password, and cluster.redis_url has none"
    if isinstance(error, UnknownCommandError) and "HELLO" in str(error):
        return f"Redis refuses: it is too old, {OLDEST_REDIS} is needed"
    return f"Redis refuses: {error}"


def _why(error: BaseException) -> str:
    """What failed, and why: the system and OpenSSL tell it below, not on top."""
    said = _said(error)
    for below in _causes(error):
        if isinstance(below, ssl.SSLCertVerificationError):
            return f"the certificate of Redis is not trusted: {below.verify_message}"
        if isinstance(below, OSError) and below.strerror and not isinstance(below, ssl.SSLWantReadError):
            return said if below.strerror in said else f"{said}: {below.strerror}"
    return said


def _said(error: BaseException) -> str:
    if isinstance(error, trio.TooSlowError | TimeoutError) and not str(error):
        return NO_ANSWER
    return f"{type(error).__name__}: {error}"


def _causes(error: BaseException) -> Iterator[BaseException]:
    below = error.__cause__ or error.__context__
    yield error
    if below is not None:
        yield from _causes(below)


@asynccontextmanager
async def open_client(
    url: RedisUrl, timeout: float, tls: ssl.SSLContext | None = None
) -> "AsyncIterator[Redis[bytes]]":
    """A client with one connection, on which commands are multiplexed, or one that listens.

    `tls`: whom to trust, if the URL says so. Raises LinkFailed if no Sentinel names a Redis that is a primary.
    """
    where = url if url.service is None else await _named_by_sentinels(url, timeout, tls)
    async with _client(where, timeout, tls) as client:
        yield client


def _client(url: RedisUrl, timeout: float, tls: ssl.SSLContext | None) -> "Redis[bytes]":
    options: dict[str, Any] = {
        "stream_timeout": timeout,
        "connect_timeout": timeout,
        "pool_timeout": timeout,
        "max_idle_time": 2 * BEAT_INTERVAL,
        "max_connections": 1,
        "retry_policy": NoRetryPolicy(),
        "username": url.username,
        "password": url.password,
        "db": url.db,
    }
    if url.path is not None:
        return Redis(unix_socket_path=url.path, **options)
    ((host, port),) = url.hosts
    if url.tls:
        options["ssl_context"] = tls or ssl.create_default_context()  # never without TLS
    return Redis(host=host, port=port, **options)


async def _named_by_sentinels(url: RedisUrl, timeout: float, tls: ssl.SSLContext | None) -> RedisUrl:
    """Where the primary is. Raises LinkFailed.

    All Sentinels are asked at once, and the first one counts that names a Redis which is a primary: machines that are
    gone take their Sentinels with them and answer nothing, and a Sentinel that is cut off tells of what was.
    """
    found: list[RedisUrl] = []
    faults: list[str] = []

    async def ask(host: str, port: int) -> None:
        try:
            with one_kind_of_failure():
                found.append(await _named_by(host, port, url, timeout, tls))
                nursery.cancel_scope.cancel()
        except (LinkFailed, ScriptRefused) as error:
            faults.append(f"Sentinel {host}:{port}: {error}")

    with trio.move_on_after(_SEARCH * timeout):
        async with trio.open_nursery() as nursery:
            for host, port in url.hosts:
                nursery.start_soon(ask, host, port)
    if not found:
        raise LinkFailed("; ".join(faults) or "no Sentinel answers in time")
    return found[0]


async def _named_by(host: str, port: int, url: RedisUrl, timeout: float, tls: ssl.SSLContext | None) -> RedisUrl:
    """Where the primary is by the word of one Sentinel, and of that Redis itself."""
    user, password = url.sentinel_username, url.sentinel_password
    sentinel = RedisUrl(hosts=((host, port),), tls=url.tls, username=user, password=password)
    async with _client(sentinel, timeout, tls) as client:
        named = await client.sentinel_get_master_addr_by_name(str(url.service))
    if named is None:
        raise LinkFailed(f"it knows no {url.service}")
    where = evolve(url, hosts=(named,), service=None)
    async with _client(where, timeout, tls) as client:
        role = (await client.role()).role
    if role != _PRIMARY:
        raise LinkFailed(f"it names {where}, which is a {role}")
    return where

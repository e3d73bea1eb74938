"""Accepting connections when the system may run out of descriptors.

There are many sessions, and each takes a descriptor; REST, the operator and hooks need few, but need them most when
none are left. So each kind of connection leaves a part of the descriptors to the kinds after it:

    sessions, then HTTP, then the operator's socket and hooks

The system always returns the lowest free descriptor. One in the last part of the range therefore means that all below
it are taken, and a listener that must leave that part alone closes the connection again. Hooks are counted instead
(`hook_connections`), and never take all that sessions leave: an eighth of the descriptors, or 128 of them, is left.
"""

import errno
import resource
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any, Final

import trio

from actors.runtime.logs import RateLimitedLog

PAUSE: Final = 0.1
"""Seconds until the next attempt when the system could not accept a connection."""
REMEDY: Final = "LimitNOFILE of the service, ulimit -n"

_HOOKS: Final = (1_024, 8)
"""The most connections to backends, or a part of the limit of descriptors where that is less."""
_EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
_ENDED: Final = frozenset(
    {
        errno.ECONNABORTED,
        errno.EPROTO,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENOPROTOOPT,
        errno.EOPNOTSUPP,
    }
)
"""Of a connection that failed before it was accepted (accept(2): to be passed over)."""

Handler = Callable[[trio.SocketStream], Awaitable[Any]]


class Reserve(Enum):
    """Descriptors that a kind of connections leaves alone: so many, or a part of the limit where that is less."""

    SESSIONS = (1_152, 4)
    HTTP = (32, 16)
    NONE = (0, 1)

    def is_touched_by(self, descriptor: int) -> bool:
        """Whether `descriptor` is one of those to leave alone."""
        limit = _descriptor_limit()
        return limit is not None and descriptor >= limit - _share(limit, *self.value)


def hook_connections() -> int:
    """How many connections to backends there may be at a time: of what sessions leave, no more than HTTP keeps."""
    limit = _descriptor_limit()
    most, part = _HOOKS
    return most if limit is None else max(1, _share(limit, most, part))


def _descriptor_limit() -> int | None:
    """The soft limit of the process, as it is now."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def _share(limit: int, most: int, part: int) -> int:
    return min(most, limit // part)


async def accept_connections(
    listener: trio.SocketListener, handler: Handler, connections: trio.Nursery, *, reserve: Reserve, log: RateLimitedLog
) -> None:
    """Run `handler` for each connection in the nursery `connections`, until cancelled; closes the listener then.

    The handler's connection is closed when it returns. What it raises is the nursery's.
    """
    async with listener:
        while True:
            stream = await _next(listener, log)
            if stream is None:
                continue
            if reserve.is_touched_by(stream.socket.fileno()):
                log.warning("few descriptors are left: connection closed", reserve=reserve.name.lower(), remedy=REMEDY)
                stream.socket.close()
                continue
            connections.start_soon(_serve, stream, handler)


async def _next(listener: trio.SocketListener, log: RateLimitedLog) -> trio.SocketStream | None:
    try:
        return await listener.accept()
    except OSError as error:
        if error.errno in _ENDED:
            return None
        if error.errno not in _EXHAUSTED:
            raise
        log.warning("no descriptors are left: connections wait", cause=error.strerror, remedy=REMEDY)
    await trio.sleep(PAUSE)
    return None


async def _serve(stream: trio.SocketStream, handler: Handler) -> None:
    try:
        await handler(stream)
    finally:
        await trio.aclose_forcefully(stream)

"""How a push reaches its target: the server makes the connection, to an address that it has looked at itself.

The process that feeds it has no network: a name that means something else a moment later, or a target that sends
somewhere else, leads nowhere.
"""

from collections.abc import Callable

import trio

from actors.net.connecting import connect_any
from actors.net.resolver import CannotResolve, Resolver
from actors.runtime.timeouts import fail_after
from protocol.rtmp.target import RtmpTarget

AddressRule = Callable[[str, str], bool]
"""Whether a connection may be made to an address (the second), at which a host (the first) is said to be."""


class TargetUnreachable(Exception):
    """No connection; the text says why, without the URL."""


class AddressForbidden(TargetUnreachable):
    """Connections must not go to any of its addresses."""


def any_address(host: str, address: str) -> bool:
    """The rule for operators."""
    return True


async def resolve(host: str, timeout: float, resolver: Resolver) -> tuple[str, ...]:
    """The addresses of a host, after at most `timeout` seconds. Raises TargetUnreachable."""
    try:
        with fail_after(timeout):
            return await resolver.resolve(host)
    except CannotResolve:
        raise TargetUnreachable(f"{host} has no address") from None
    except trio.TooSlowError:
        raise TargetUnreachable(f"{host} has no address within {timeout:g} s") from None


async def connect(target: RtmpTarget, rule: AddressRule, timeout: float, resolver: Resolver) -> int:
    """The descriptor of a connected socket, after at most `timeout` seconds. Raises TargetUnreachable."""
    until = trio.current_time() + timeout
    found = await resolve(target.host, timeout, resolver)
    allowed = [address for address in found if rule(target.host, address)]
    if not allowed:
        raise AddressForbidden(f"{target.host} is at {', '.join(found)}")
    try:
        with fail_after(max(0.0, until - trio.current_time())):
            stream, _ = await connect_any(allowed, target.port)
    except OSError as error:
        raise TargetUnreachable(error.strerror or type(error).__name__) from None
    except trio.TooSlowError:
        raise TargetUnreachable(f"no connection within {timeout:g} s") from None
    return stream.socket.detach()

"""How a push reaches its target: the server makes the connection, to an address that it has looked at itself.

The process that feeds it has no network: a name that means something else a moment later, or a target that sends
somewhere else, leads nowhere.
"""

import socket
from collections.abc import Callable
from typing import Final

import trio

from actors.runtime.timeouts import fail_after
from protocol.rtmp.target import RtmpTarget

MOST_ADDRESSES: Final = 4
"""Addresses of a name that are tried."""

AddressRule = Callable[[str, str], bool]
"""Whether a connection may be made to an address (the second), at which a host (the first) is said to be."""


class TargetUnreachable(Exception):
    """No connection; the text says why, without the URL."""


class TargetUnresolvable(TargetUnreachable):
    """The name has no address."""


class AddressForbidden(TargetUnreachable):
    """Connections must not go to any of its addresses."""


def any_address(host: str, address: str) -> bool:
    """The rule for operators."""
    return True


async def resolve(target: RtmpTarget, rule: AddressRule) -> list[str]:
    """The addresses to try, which `rule` allows. Raises TargetUnresolvable or AddressForbidden."""
    try:
        found = await trio.socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise TargetUnresolvable(f"{target.host} has no address") from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = [address for address in addresses if rule(target.host, address)]
    if not allowed:
        raise AddressForbidden(f"{target.host} is at {', '.join(addresses[:MOST_ADDRESSES])}")
    return allowed[:MOST_ADDRESSES]


async def connect(target: RtmpTarget, rule: AddressRule, timeout: float) -> int:
    """The descriptor of a connected socket, after at most `timeout` seconds. Raises TargetUnreachable."""
    try:
        with fail_after(timeout):
            return await _connect_any(await resolve(target, rule), target.port)
    except trio.TooSlowError:
        raise TargetUnreachable(f"no connection within {timeout:g} s") from None


async def _connect_any(addresses: list[str], port: int) -> int:
    why = ""
    for address in addresses:
        try:
            return await _connect(address, port)
        except OSError as error:
            why = error.strerror or type(error).__name__
    raise TargetUnreachable(why)


async def _connect(address: str, port: int) -> int:
    connecting = trio.socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    with connecting:
        await connecting.connect((address, port))
        return connecting.detach()

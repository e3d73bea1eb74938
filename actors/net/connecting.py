"""Connecting to one of several addresses of a host, in turn.

trio.open_tcp_stream races several addresses. For a single address it costs too much: a backend that is down, with four
attempts for each call, noticeably slowed down the others.
"""

import socket
from collections.abc import Sequence
from typing import Final

import trio

from actors.net.tcp_stream import TcpStream
from actors.runtime.timeouts import fail_after

ADDRESS_PATIENCE: Final = 3.0
"""Seconds to wait for one address while there is another to try."""


async def connect_any(addresses: Sequence[str], port: int) -> tuple[TcpStream, str]:
    """Connect to the first address, at least one, that takes the connection; which it was. Raises OSError."""
    *others, last = addresses
    for address in others:
        try:
            with fail_after(ADDRESS_PATIENCE):
                return await _connect_to(address, port), address
        except (OSError, trio.TooSlowError):
            continue
    return await _connect_to(last, port), last


async def _connect_to(address: str, port: int) -> TcpStream:
    connecting = trio.socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        await connecting.connect((address, port))
    except BaseException:
        connecting.close()
        raise
    return TcpStream(trio.SocketStream(connecting))

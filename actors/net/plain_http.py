"""Who calls a port that speaks TLS by plain HTTP is told so: an error of TLS would tell nothing to who sees it."""

import socket
from typing import Final

import trio

from actors.net.tcp_stream import TcpStream
from protocol.access.plain_http import ANSWER, LONGEST, begins_http

LINGER: Final = 2.0
"""Seconds for the client to read the answer and close: closing with unread input would reset the connection."""
MOST_READ: Final = 64 << 10
"""Bytes of its request that are read, and thrown away."""


async def answered_plain_http(stream: TcpStream) -> bool:
    """Whether the client has begun with HTTP, and got its answer: the connection is to be closed then.

    It waits for the first byte, and takes none if it is not HTTP. Raises OSError or trio.BrokenResourceError if the
    connection has failed. The caller sets a deadline.
    """
    if not begins_http(await stream.socket.recv(LONGEST, socket.MSG_PEEK)):
        return False
    with trio.move_on_after(LINGER):
        await stream.send_all(ANSWER)
        stream.socket.shutdown(socket.SHUT_WR)
        left = MOST_READ
        while left > 0 and (data := await stream.socket.recv(left)):
            left -= len(data)
    return True

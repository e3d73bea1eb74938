"""What a scripted backend may do with a call: agree, refuse, rewrite, and everything that goes wrong.

A behaviour is an async function of one `Exchange`. Some are given as they are (`allow`, `hang`), some are made by a
function that takes what may vary (`deny(info="no")`, `rewrite(name="real")`).
"""

import json
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from attrs import define, field, frozen


@frozen(kw_only=True)
class ReceivedCall:
    """One request as it came in."""

    method: str
    """The last segment of the path: the hook's name."""
    path: str
    verb: str
    headers: dict[str, str]
    """Names in lower case."""
    content: bytes = field(repr=False)
    at: float
    connection: int
    """Numbers the connections, so that tests see which calls shared one."""

    @property
    def body(self) -> Any:
        """The content as JSON."""
        return json.loads(self.content)


@define
class Exchange:
    """One call and the means to answer it. A connection stays open unless `close` says otherwise."""

    call: ReceivedCall
    stream: trio.abc.Stream
    socket: trio.socket.SocketType
    close: bool = False

    async def answer(
        self, status: int, body: Any = None, *, headers: tuple[tuple[str, str], ...] = (), reason: str = "Whatever"
    ) -> None:
        """Answer; `body` is bytes, or written as JSON, or nothing."""
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.send_head(status, (("Content-Length", str(len(content))), *headers), reason=reason)
        await self.stream.send_all(content)

    async def send_head(self, status: int, headers: tuple[tuple[str, str], ...], *, reason: str = "Whatever") -> None:
        """Begin an answer."""
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
        if self.close:
            lines.append("Connection: close")
        await self.stream.send_all("\r\n".join([*lines, "", ""]).encode())


Behaviour = Callable[[Exchange], Awaitable[None]]


# -- behaviours --------------------------------------------------------------------------------------------------------


async def allow(exchange: Exchange) -> None:
    """200 with the body that came: a backend that agrees."""
    await exchange.answer(200, exchange.call.content, headers=(("Content-Type", "application/json"),))


echo = allow


async def empty(exchange: Exchange) -> None:
    """200 and nothing."""
    await exchange.answer(200)


async def not_json(exchange: Exchange) -> None:
    """200 and a page for people, as PHP does when a script fails."""
    await exchange.answer(200, b"<br />\n<b>Warning</b>: Undefined index", headers=(("Content-Type", "text/html"),))


async def hang(exchange: Exchange) -> None:
    """No answer, ever."""
    await trio.sleep_forever()


async def reset(exchange: Exchange) -> None:
    """A TCP reset instead of an answer."""
    await trio.lowlevel.checkpoint()
    exchange.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.socket.close()


async def drop(exchange: Exchange) -> None:
    """The connection is closed without an answer."""
    await trio.lowlevel.checkpoint()
    exchange.close = True


async def half_open(exchange: Exchange) -> None:
    """The backend ends its side without an answer and keeps listening: a process that died behind a proxy."""
    exchange.socket.shutdown(socket.SHUT_WR)
    await trio.sleep_forever()


async def garbage(exchange: Exchange) -> None:
    """Something that is not HTTP."""
    exchange.close = True
    await exchange.stream.send_all(b"\x00\x01 SSH-2.0-nonsense\r\n\r\n")


async def cut_short(exchange: Exchange) -> None:
    """A body that ends before its announced length."""
    exchange.close = True
    await exchange.send_head(200, (("Content-Length", "100"),))
    await exchange.stream.send_all(b'{"name":')


async def endless_headers(exchange: Exchange) -> None:
    """Header lines without end."""
    await exchange.stream.send_all(b"HTTP/1.1 200 OK\r\n")
    while True:
        await exchange.stream.send_all(b"X-More: and more\r\n" * 100)


async def endless_body(exchange: Exchange) -> None:
    """A body without end, in chunks."""
    await exchange.send_head(200, (("Transfer-Encoding", "chunked"),))
    while True:
        await exchange.stream.send_all(b"1000\r\n" + b" " * 0x1000 + b"\r\n")


async def http10_close(exchange: Exchange) -> None:
    """An HTTP/1.0 answer whose body ends with the connection."""
    exchange.close = True
    await exchange.stream.send_all(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + exchange.call.content)


async def allow_and_close(exchange: Exchange) -> None:
    """200, and the connection is closed after it, as announced."""
    exchange.close = True
    await allow(exchange)


async def chunked(exchange: Exchange) -> None:
    """200 with the body that came, in chunks."""
    content = exchange.call.content
    await exchange.send_head(200, (("Transfer-Encoding", "chunked"),))
    half = len(content) // 2
    for part in (content[:half], content[half:]):
        await exchange.stream.send_all(b"%x\r\n%s\r\n" % (len(part), part))
    await exchange.stream.send_all(b"0\r\n\r\n")


async def crumbs(exchange: Exchange) -> None:
    """200 with the body that came, a chunk for each byte."""
    await exchange.send_head(200, (("Transfer-Encoding", "chunked"),))
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in exchange.call.content)
    await exchange.stream.send_all(chunks + b"0\r\n\r\n")


async def endless_hints(exchange: Exchange) -> None:
    """Informational answers without end."""
    while True:
        await exchange.stream.send_all(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)


async def early_hint(exchange: Exchange) -> None:
    """An informational answer before the real one."""
    await exchange.stream.send_all(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    await allow(exchange)


async def babbling(exchange: Exchange) -> None:
    """200, and later a second answer that nobody asked for."""
    await allow(exchange)
    await exchange.stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


def deny(status: int = 403, *, info: str | None = None) -> Behaviour:
    """A refusal, with the backend's text if given."""

    async def behave(exchange: Exchange) -> None:
        await exchange.answer(status, None if info is None else {"info": info})

    return behave


def answer(status: int, body: Any = None, *, headers: tuple[tuple[str, str], ...] = ()) -> Behaviour:
    """Any answer."""

    async def behave(exchange: Exchange) -> None:
        await exchange.answer(status, body, headers=headers)

    return behave


def rewrite(**fields: Any) -> Behaviour:
    """200 with the body that came, some fields replaced or added, as in `rewrite(name="real")`."""

    async def behave(exchange: Exchange) -> None:
        await exchange.answer(200, {**exchange.call.body, **fields})

    return behave


def redirect(location: str) -> Behaviour:
    """302 to somewhere else."""
    return answer(302, headers=(("Location", location),))


def huge(size: int) -> Behaviour:
    """200 with a JSON object of `size` bytes."""

    async def behave(exchange: Exchange) -> None:
        await exchange.answer(200, b'{"pad":"' + b"x" * (size - 10) + b'"}')

    return behave


def slow(seconds: float, then: Behaviour = allow) -> Behaviour:
    """Wait before the first byte of the answer."""

    async def behave(exchange: Exchange) -> None:
        await trio.sleep(seconds)
        await then(exchange)

    return behave


def dripping(pause: float) -> Behaviour:
    """The right answer, one byte at a time."""

    async def behave(exchange: Exchange) -> None:
        await exchange.send_head(200, (("Content-Length", str(len(exchange.call.content))),))
        for position in range(len(exchange.call.content)):
            await trio.sleep(pause)
            await exchange.stream.send_all(exchange.call.content[position : position + 1])

    return behave


def held(gate: trio.Event, then: Behaviour = allow) -> Behaviour:
    """Answer once the test says so."""

    async def behave(exchange: Exchange) -> None:
        await gate.wait()
        await then(exchange)

    return behave


def app_config(**methods: dict[str, str]) -> dict[str, dict[str, str]]:
    """A `restClientConfig` with every field written out: `app_config(publishStream={"restOnError": "FAIL"})`."""
    plain = {"clientExclude": "", "restExclude": "", "restOnError": "LOG", "restPolicy": "NOTIFY", "restOverwrite": ""}
    return {method: {**plain, **fields} for method, fields in methods.items()}

"""A backend that does what a test tells it to, well-behaved or not (see `tests.support.hooks.behaviours`).

    async with open_backend() as backend:                 # in a trio test
        backend.script("publishStream", deny(info="no"), allow)
        ...
        calls = await backend.wait_for("StreamStatusEvent", count=2)

    with backend_thread() as backend:                     # beside a server that is another process
        backend.script("*", allow)

A script's behaviours are used one after the other, the last one from then on; what has no script of its own follows
that of `*`, and without one every call is allowed.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import h11
import trio

from tests.support.hooks.behaviours import Behaviour, Exchange, ReceivedCall, allow
from tests.support.network.ports import unused_port
from tests.support.nurseries import plain_nursery

ALL = "*"


class ScriptedBackend:
    """Serves hooks as scripted, and remembers what came. Safe to script and to read from another thread."""

    def __init__(self) -> None:
        self.url = ""
        """Base of the hooks: the URL of an application."""
        self.calls: list[ReceivedCall] = []
        self.connections = 0
        """How many there were."""
        self.most_at_once = 0
        """The largest number of calls that were being answered at the same time."""
        self._at_once = 0
        self._open = 0
        self._scripts: dict[str, list[Behaviour]] = {}
        self._lock = threading.Lock()
        self._news = threading.Condition(self._lock)
        self._trio_news = trio.Event()

    def script(self, method: str, *behaviours: Behaviour) -> None:
        """Behave so on calls of `method` (`*`: all that have no script) from now on."""
        with self._lock:
            self._scripts[method] = list(behaviours)

    def received(self, method: str = ALL) -> list[ReceivedCall]:
        """The calls of `method` so far."""
        with self._lock:
            return [call for call in self.calls if method in (ALL, call.method)]

    async def wait_for(self, method: str = ALL, *, count: int = 1) -> list[ReceivedCall]:
        """Wait, in the backend's own trio run, until `count` calls of `method` came in. Bring your own deadline."""
        while len(calls := self.received(method)) < count:
            await self._trio_news.wait()
        return calls

    async def wait_closed(self) -> None:
        """Wait until no connection is open."""
        while self._open:
            await self._trio_news.wait()

    def wait_in_thread(self, method: str = ALL, *, count: int = 1, timeout: float = 30.0) -> list[ReceivedCall]:
        """As `wait_for`, from another thread. Raises TimeoutError."""

        def enough() -> bool:
            return sum(method in (ALL, call.method) for call in self.calls) >= count

        with self._news:
            if not self._news.wait_for(enough, timeout):
                raise TimeoutError(f"{count} x {method}: got {[call.method for call in self.calls]}")
        return self.received(method)

    async def serve_connection(self, stream: trio.abc.Stream, sock: trio.socket.SocketType) -> None:
        """Answer the calls of one connection, until either side ends it."""
        self.connections += 1
        self._open += 1
        number = self.connections
        early = b""
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            try:
                while (call := await self._next_call(early, stream, number)) is not None:
                    exchange = Exchange(call, stream, sock)
                    early = await self._behave(exchange)
                    if exchange.close:
                        break
            finally:
                sock.close()
                self._open -= 1
                self._wake()

    async def _behave(self, exchange: Exchange) -> bytes:
        """Behave, until the client leaves. Gives what the client has sent in the meantime."""
        early = bytearray()
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_watch, exchange, early, nursery.cancel_scope)
                with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    await self._take_behaviour(exchange.call.method)(exchange)
                nursery.cancel_scope.cancel()
        finally:
            self._at_once -= 1
        return bytes(early)

    def _take_behaviour(self, method: str) -> Behaviour:
        with self._lock:
            script = self._scripts.get(method) or self._scripts.get(ALL) or [allow]
            return script.pop(0) if len(script) > 1 else script[0]

    async def _next_call(self, early: bytes, stream: trio.abc.Stream, number: int) -> ReceivedCall | None:
        connection = h11.Connection(h11.SERVER)
        if early:
            connection.receive_data(early)
        request: h11.Request | None = None
        content = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(bytes(await stream.receive_some(65536)))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                content += event.data
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                return self._note(request, bytes(content), number)
            else:
                return None

    def _note(self, request: h11.Request, content: bytes, number: int) -> ReceivedCall:
        path = request.target.decode()
        call = ReceivedCall(
            method=path.partition("?")[0].rpartition("/")[2],
            path=path,
            verb=request.method.decode(),
            headers={name.decode(): value.decode() for name, value in request.headers},
            content=content,
            at=trio.current_time(),
            connection=number,
        )
        with self._news:
            self.calls.append(call)
            self._news.notify_all()
        self._wake()
        return call

    def _wake(self) -> None:
        self._trio_news.set()
        self._trio_news = trio.Event()


async def _watch(exchange: Exchange, early: bytearray, scope: trio.CancelScope) -> None:
    """End a behaviour whose client has closed the connection."""
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while data := await exchange.stream.receive_some(65536):
            early += data
    scope.cancel()


@asynccontextmanager
async def open_backend(
    *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", name: str | None = None
) -> AsyncIterator[ScriptedBackend]:
    """A backend on a free port; `name` stands in its URL instead of `host`."""
    backend = ScriptedBackend()

    async def handle(stream: trio.SocketStream) -> None:
        secured = trio.SSLStream(stream, tls, server_side=True, https_compatible=True) if tls else stream
        await backend.serve_connection(secured, stream.socket)

    listeners = await trio.open_tcp_listeners(0, host=host)
    port = listeners[0].socket.getsockname()[1]
    shown = name or (f"[{host}]" if ":" in host else host)
    backend.url = f"{'https' if tls else 'http'}://{shown}:{port}/my_api"
    async with plain_nursery() as nursery:
        await nursery.start(trio.serve_listeners, handle, listeners)
        try:
            yield backend
        finally:
            nursery.cancel_scope.cancel()


@contextmanager
def backend_thread(*, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedBackend]:
    """A backend in a thread of its own, for tests that drive other processes."""
    ready = threading.Event()
    running: list[tuple[ScriptedBackend, trio.lowlevel.TrioToken, trio.CancelScope]] = []

    async def serve() -> None:
        with trio.CancelScope() as scope:
            async with open_backend(tls=tls) as backend:
                running.append((backend, trio.lowlevel.current_trio_token(), scope))
                ready.set()
                await trio.sleep_forever()

    thread = threading.Thread(target=trio.run, args=(serve,), name="scripted backend", daemon=True)
    thread.start()
    if not ready.wait(30):
        raise RuntimeError("the backend did not start")
    backend, token, scope = running[0]
    try:
        yield backend
    finally:
        token.run_sync_soon(scope.cancel)
        thread.join(30)


# -- places where nobody answers ---------------------------------------------------------------------------------------


def refused_url() -> str:
    """The URL of a port on which nobody listens."""
    return f"http://127.0.0.1:{unused_port()}/my_api"


@contextmanager
def unaccepting_url(scheme: str = "http", *, full: bool, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """The URL of a port whose owner never accepts.

    With `full` its queue is full, so that a connect hangs; else connects succeed, and nobody reads what is sent.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0 if full else 4096)
        address = listener.getsockname()
        for _ in range(4 if full else 0):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(address)
        yield f"{scheme}://{host}:{address[1]}/my_api"

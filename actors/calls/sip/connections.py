"""SIP by TCP and TLS: one connection for each server, shared by all that goes there, in both directions.

A message that cannot be sent, because there is no connection or its peer does not read, is given back.
"""

import hashlib
import math
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import trio
from attrs import define, field

from actors.net.connecting import connect_any
from actors.net.tcp_stream import TcpStream, drop_references
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.timeouts import fail_after
from protocol.sip.accounts.servers import SipServer
from protocol.sip.core import Outbound
from protocol.sip.messages.message import SipMessage, StreamParser
from protocol.sip.transactions.machines import Hop

MAX_CONNECTIONS: Final = 256
MAX_WAITING: Final = 64
"""Messages that wait for one connection."""
MESSAGE_TIMEOUT: Final = 10.0
"""Seconds for a message to arrive once it has begun, and to be sent."""
IDLE_TIMEOUT: Final = 600.0
PONG: Final = b"\r\n"
PING: Final = b"\r\n\r\n"

_Key = tuple[str, str, int, str]

log = get_logger("sip")

AnyStream = trio.abc.Stream


@define(eq=False)
class _Connection:
    """One of them; `hop` is its other end. Once it is `settled`, it has failed, or is there; `local` is our end."""

    hop: Hop
    send: "trio.MemorySendChannel[Outbound | bytes]"
    waiting: "trio.MemoryReceiveChannel[Outbound | bytes]"
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    settled: trio.Event = field(factory=trio.Event)
    local: tuple[str, int] | None = None


@define(eq=False, kw_only=True)
class ConnectionServices:
    """What connections need. `server_at` tells what the operator has said about a server."""

    on_message: Callable[[SipMessage, Hop], None]
    on_unsent: Callable[[Outbound], None]
    on_lost: Callable[[Hop], None]
    server_at: Callable[[Hop], SipServer | None]
    timeout: Callable[[], float]
    ca_file: Callable[[], Path | None]


class SipConnections:
    """See above. `run` first; `send` never waits."""

    def __init__(self, services: ConnectionServices) -> None:
        self._services = services
        self._connections: dict[_Key, _Connection] = {}
        self._nursery: trio.Nursery | None = None
        self._log = RateLimitedLog(log, clock=trio.current_time)

    def __len__(self) -> int:
        return len(self._connections)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep connections until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    def send(self, outbound: Outbound) -> bool:
        """Send it by the connection of its hop, which is made if need be. False: it cannot be sent."""
        hop = outbound.hop
        connection = self._known(hop)
        if connection is None and (connection := self._begin(hop)) is None:
            return False
        try:
            connection.send.send_nowait(outbound)
        except trio.WouldBlock:
            self._log.warning("SIP peer does not read", peer=hop.host)
            connection.scope.cancel()
            return False
        except trio.BrokenResourceError:
            return False
        return True

    async def ready(self, hop: Hop) -> tuple[str, int] | None:
        """Wait until there is a connection to this hop; the address of our end of it. None: there can be none."""
        connection = self._known(hop) or self._begin(hop)
        if connection is None:
            return None
        await connection.settled.wait()
        return connection.local

    def ping(self) -> None:
        """Keep all of them open, also in the tables of routers (RFC 5626)."""
        for connection in self._connections.values():
            try:
                connection.send.send_nowait(PING)
            except trio.WouldBlock:
                continue

    async def accept(self, stream: trio.SocketStream) -> None:
        """Serve a connection that a server has made."""
        try:
            host, port = stream.socket.getpeername()[:2]
        except OSError:  # it is gone already
            return
        hop = Hop(transport="tcp", host=host, port=port)
        if len(self._connections) >= MAX_CONNECTIONS:
            self._log.warning("too many SIP connections", peer=host, limit=MAX_CONNECTIONS)
            return
        await self._serve(self._add(hop), TcpStream(stream))

    # -- one connection ----------------------------------------------------------------------------------------------

    def _known(self, hop: Hop) -> _Connection | None:
        """The one to this hop. Who names nobody is at the other end of it already, and takes any to the address."""
        found = self._connections.get(_key(hop))
        if found is not None or hop.transport != "tls" or hop.name:
            return found
        place = _key(hop)[:3]
        return next((each for key, each in self._connections.items() if key[:3] == place), None)

    def _begin(self, hop: Hop) -> _Connection | None:
        if len(self._connections) >= MAX_CONNECTIONS or self._nursery is None:
            return None
        connection = self._add(hop)
        self._nursery.start_soon(self._connect, connection)
        return connection

    def _add(self, hop: Hop) -> _Connection:
        send, waiting = trio.open_memory_channel["Outbound | bytes"](MAX_WAITING)
        connection = self._connections[_key(hop)] = _Connection(hop, send, waiting)
        return connection

    async def _connect(self, connection: _Connection) -> None:
        stream: AnyStream | None = None
        try:
            with fail_after(self._services.timeout()):
                stream = await self._opened(connection.hop)
        except (OSError, ValueError, trio.TooSlowError, trio.BrokenResourceError, _WrongCertificate) as error:
            # ValueError: a name that no certificate can be for
            self._tell_failure(connection.hop, error)
        if stream is None:
            self._remove(connection)
        else:
            connection.local = _local_end(stream)
            connection.settled.set()
            await self._serve(connection, stream)

    def _tell_failure(self, hop: Hop, error: Exception) -> None:
        cause = error.__cause__ if isinstance(error, trio.BrokenResourceError) else None
        is_distrusted = isinstance(cause, ssl.SSLCertVerificationError)
        self._log.warning(
            "SIP server cannot be reached",
            peer=hop.host,
            transport=hop.transport,
            why=str(cause or error) or type(error).__name__,
            **({"setting": "sip.ca_file"} if is_distrusted else {}),
        )

    async def _opened(self, hop: Hop) -> AnyStream:
        stream, _ = await connect_any([hop.host], hop.port)
        if hop.transport != "tls":
            return stream
        server = self._services.server_at(hop)
        fingerprint = None if server is None else server.fingerprint
        context = _context(self._services.ca_file(), is_pinned=fingerprint is not None)
        try:
            secured = trio.SSLStream(stream, context, server_hostname=hop.name or hop.host, https_compatible=True)
            await secured.do_handshake()
            if fingerprint is not None:
                _check(secured, fingerprint)
        except BaseException:
            stream.socket.close()
            raise
        return secured

    async def _serve(self, connection: _Connection, stream: AnyStream) -> None:
        try:
            with connection.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, connection, stream)
                    await self._read(connection, stream)
                    nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            pass
        finally:
            self._remove(connection, gives_back=False)
            await trio.aclose_forcefully(stream)
            if isinstance(stream, trio.SSLStream):
                drop_references(stream)
            self._services.on_lost(connection.hop)

    async def _read(self, connection: _Connection, stream: AnyStream) -> None:
        parser, until = StreamParser(), math.inf
        while True:
            until = min(until, trio.current_time() + MESSAGE_TIMEOUT) if parser.is_within_message else math.inf
            with fail_after(min(IDLE_TIMEOUT, max(0.0, until - trio.current_time()))):
                data = await stream.receive_some(65_536)
            if not data:
                return
            for message in parser.feed(bytes(data)):
                until = math.inf
                self._services.on_message(message, connection.hop)
            if parser.error is not None:
                self._log.warning("SIP message is malformed", peer=connection.hop.host, why=parser.error.message)
                return
            if parser.pings and not self._pong(connection):
                return
            parser.pings = 0

    def _pong(self, connection: _Connection) -> bool:
        try:
            connection.send.send_nowait(PONG)
        except trio.WouldBlock:
            self._log.warning("SIP peer does not read", peer=connection.hop.host)
            return False
        return True

    async def _write(self, connection: _Connection, stream: AnyStream) -> None:
        async for item in connection.waiting:
            with fail_after(MESSAGE_TIMEOUT):
                await stream.send_all(item if isinstance(item, bytes) else item.data)

    def _remove(self, connection: _Connection, *, gives_back: bool = True) -> None:
        """It is over; what waits for it is given back, unless `on_lost` has it sent again."""
        if self._connections.get(_key(connection.hop)) is connection:
            del self._connections[_key(connection.hop)]
        connection.settled.set()
        connection.send.close()
        while True:
            try:
                item = connection.waiting.receive_nowait()
            except (trio.EndOfChannel, trio.ClosedResourceError, trio.WouldBlock):
                break
            if gives_back and isinstance(item, Outbound):
                self._services.on_unsent(item)
        connection.waiting.close()


class _WrongCertificate(Exception):
    """The server has another certificate than the one that is pinned."""


def _context(ca_file: Path | None, *, is_pinned: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    if is_pinned:  # the fingerprint says more than any authority
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _check(secured: "trio.SSLStream[Any]", fingerprint: str) -> None:
    given = secured.getpeercert(binary_form=True)
    if given is None or hashlib.sha256(given).hexdigest() != fingerprint:
        raise _WrongCertificate("its certificate is not the one in sip.servers")


def _local_end(stream: AnyStream) -> tuple[str, int] | None:
    below: Any = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
    try:
        host, port = below.socket.getsockname()[:2]
    except OSError:
        return None
    return host, port


def _key(hop: Hop) -> _Key:
    """A connection by TLS is only for the name that its certificate was for (RFC 5923 section 4)."""
    return hop.transport, hop.host, hop.port, hop.name if hop.transport == "tls" else ""

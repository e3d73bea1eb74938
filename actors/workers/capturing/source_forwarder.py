"""The only way out of a worker that is cut off from every network (`actors.workers.programs.common.isolation`).

The server is its name server, and accepts whatever connection it makes. It looks the name up itself, checks the address
it then connects to, and copies bytes; so what a source says, a redirect, a playlist, a segment, leads nowhere that
`capture.allow` does not list, whatever FFmpeg makes of it.
"""

import array
import socket
from contextlib import suppress
from typing import Final

import trio

from actors.net.accept import Reserve, accept_connections
from actors.net.resolver import CannotResolve
from actors.net.tcp_stream import TcpStream
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.timeouts import fail_after
from actors.workers.capturing.source_access import SourceAccess, SourceDenied
from protocol.capture.name_questions import MAX_QUESTION, StandIns, answer_to, read_question
from protocol.capture.uri import DEFAULT_PORTS, CaptureUri
from protocol.common.rate_limit import RateLimit

MAX_CONNECTIONS: Final = 8
"""At once; HLS needs two or three."""
CONNECTION_RATE: Final = (5.0, 30)
"""New ones: so many per second, and at once."""
MAX_NAMES: Final = 32
MAX_PORTS: Final = 16
CHUNK: Final = 262_144
"""Bytes that are held for each direction of a connection."""
PAUSE: Final = 0.04
"""Seconds between two reads of a source that goes on sending: one wake-up for many packets."""
PROMPT_READS: Final = (2.0, 30)
"""Reads without a pause, as questions and answers need them: so many per second, and at once."""
CONNECT_TIMEOUT: Final = 8.0
SET_UP_TIMEOUT: Final = 15.0
_OTHER_PORTS: Final = (8080, 8443, 8554)

log = get_logger("capture")


def ports_for(uri: CaptureUri) -> tuple[int, ...]:
    """The ports that the worker may connect to: the URI's, and those to which a redirect may lead."""
    return tuple(dict.fromkeys((uri.port, *DEFAULT_PORTS.values(), *_OTHER_PORTS)))[:MAX_PORTS]


class SourceForwarder:
    """For one worker. Give it `worker_end`, and `close_worker_end` once it has it; then `run`."""

    def __init__(self, access: SourceAccess, complaints: RateLimitedLog) -> None:
        self._access = access
        self._resolver = access.make_resolver()
        self._complaints = complaints
        ours, self.worker_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._channel = trio.socket.from_stdlib_socket(ours)
        self._stand_ins = StandIns(MAX_NAMES)
        self._connections = 0
        self._new = RateLimit(*CONNECTION_RATE)
        self.is_denied = False
        """Whether it was kept from going somewhere."""
        self.is_unreachable = False
        """Whether a source did not take a connection; FFmpeg saw one that was closed at once."""

    def close_worker_end(self) -> None:
        """The worker has it."""
        self.worker_end.close()

    def close(self) -> None:
        """Without having run."""
        self.worker_end.close()
        self._channel.close()

    async def run(self) -> None:
        """Serve until cancelled, or until it turns out that the worker could not isolate itself."""
        sockets: list[socket.socket] = []
        try:
            sockets = await self._receive_sockets()
            async with trio.open_nursery() as nursery:
                for each in sockets:
                    serve = self._accept if each.type == socket.SOCK_STREAM else self._answer_names
                    nursery.start_soon(serve, trio.socket.from_stdlib_socket(each), nursery)
        finally:
            for each in sockets:
                each.close()
            self.close()

    async def _receive_sockets(self) -> list[socket.socket]:
        """What `isolate` sends; none if it sends nothing."""
        try:
            with fail_after(SET_UP_TIMEOUT):
                size = socket.CMSG_SPACE(2 * (MAX_PORTS + 1) * array.array("i").itemsize)
                _, ancillary, _, _ = await self._channel.recvmsg(16, size)
        except (OSError, trio.TooSlowError):
            return []
        return [socket.socket(fileno=number) for number in _descriptors(ancillary)]

    # -- names ---------------------------------------------------------------------------------------------------

    async def _answer_names(self, asked: trio.socket.SocketType, _nursery: trio.Nursery) -> None:
        while True:
            message, ancillary, _, peer = await asked.recvmsg(MAX_QUESTION + 1, 256)
            question = read_question(message)
            if question is not None:
                answer = answer_to(question, await self._stand_in(question.name))
                with suppress(OSError):
                    # The ancillary data says at which address we were asked; the answer must come from there.
                    await asked.sendmsg([answer], ancillary, 0, peer)

    async def _stand_in(self, name: str) -> str | None:
        stand_in = self._stand_ins.address_of(name)
        if stand_in is None:
            self._complaints.warning("capture looks too many names up", limit=MAX_NAMES)
            return None
        try:
            with fail_after(CONNECT_TIMEOUT):
                await self._access.addresses(name, self._resolver)
        except SourceDenied:
            self.is_denied = True
            return None
        except (CannotResolve, trio.TooSlowError):
            return None
        return stand_in

    # -- connections ---------------------------------------------------------------------------------------------

    async def _accept(self, listening: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        listener = trio.SocketListener(listening)
        await accept_connections(listener, self._serve, nursery, reserve=Reserve.SESSIONS, log=self._complaints)

    async def _serve(self, accepted: trio.SocketStream) -> None:
        if self._connections >= MAX_CONNECTIONS or not self._new.take(trio.current_time()):
            self._complaints.warning("capture has too many connections", limit=MAX_CONNECTIONS)
            return
        self._connections += 1
        worker = TcpStream(accepted)
        try:
            source = await self._connect(worker)
            if source is not None:
                try:
                    await _join(worker, source)
                finally:
                    source.socket.close()
        finally:
            self._connections -= 1

    async def _connect(self, worker: TcpStream) -> TcpStream | None:
        address, port, *_ = worker.socket.getsockname()
        host = self._stand_ins.name_at(address)
        try:
            with fail_after(CONNECT_TIMEOUT):
                return await self._access.connect(host, port, self._resolver)
        except SourceDenied:
            self.is_denied = True
        except (OSError, trio.TooSlowError) as error:
            self.is_unreachable = True
            self._complaints.info("source cannot be reached", host=host, port=port, why=str(error) or "no answer")
        return None


async def _join(worker: TcpStream, source: TcpStream) -> None:
    """Copy both ways until either has closed."""

    async def copy(sender: TcpStream, receiver: TcpStream) -> None:
        await _copy(sender, receiver)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(copy, worker, source)
        nursery.start_soon(copy, source, worker)


async def _copy(sender: TcpStream, receiver: TcpStream) -> None:
    prompt = RateLimit(*PROMPT_READS)
    with suppress(trio.BrokenResourceError):
        while data := await sender.receive_some(CHUNK):
            await receiver.send_all(data)
            if not prompt.take(trio.current_time()):
                await trio.sleep(PAUSE)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    found = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found.frombytes(data[: len(data) - len(data) % found.itemsize])
    return list(found)

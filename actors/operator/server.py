"""The operator's interface of the server: a Unix socket that answers commands, one JSON object per line.

A client that can connect can change everything, so only the owner may (mode 0600). The owner's programs can still be
broken: lines are bounded, reads and writes have deadlines, and the number of connections is limited in a way that idle
or stuck ones cannot exhaust.
"""

import socket
import stat
import struct
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import trio
from attrs import evolve

from actors.net.accept import Reserve, accept_connections
from actors.operator.commands.desk import CommandDesk
from actors.operator.seats import Seat, Seats
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.timeouts import fail_after
from protocol.operator.callers import Operator
from protocol.operator.grammar import CommandError
from protocol.operator.messages import MAX_REQUEST_SIZE, ErrorKind, NotDone, answer_pieces, decode_request

MAX_CONNECTIONS = 16
IDLE_TIMEOUT = 300.0
"""Seconds without a request, after which a connection is closed."""
LINE_TIMEOUT = 10.0
"""Seconds from a request's first byte to its last one."""
SEND_TIMEOUT = 10.0
"""Seconds in which the client must read an answer, or, of a list, each piece of it."""

_CREDENTIALS = struct.Struct("3i")  # struct ucred: process, user, group
_log = get_logger("operator")
_sparing_log = RateLimitedLog(_log)


class OperatorSocketError(Exception):
    """The operator's socket cannot be opened; the text names its path and the cause."""


class _LineTooLong(Exception):
    """A request is too long; where it ends is unknown."""


AnswerLine = Callable[[bytes, Operator], Awaitable[Iterable[bytes]]]
"""The pieces of the answer's line to a request's line. CommandError for what is no request."""


def serve_operator(
    path: Path, desk: CommandDesk, *, task_status: "trio.TaskStatus[None]" = trio.TASK_STATUS_IGNORED
) -> Awaitable[None]:
    """Answer the operator's commands on a Unix socket at `path`, until cancelled. Raises as `serve_lines` does."""

    async def answer(line: bytes, operator: Operator) -> Iterable[bytes]:
        request = decode_request(line)
        return answer_pieces(await desk.serve(request, evolve(operator, who=request.by or operator.who)))

    return serve_lines(path, answer, task_status=task_status)


async def serve_lines(
    path: Path, answer_line: AnswerLine, *, task_status: "trio.TaskStatus[None]" = trio.TASK_STATUS_IGNORED
) -> None:
    """Answer what comes on a Unix socket at `path`, line by line, until cancelled.

    A socket left by a dead server is replaced. OperatorSocketError: something else is there, a server is alive, or the
    path cannot be used.
    """
    seats = Seats(MAX_CONNECTIONS)

    async def answer_connection(stream: trio.SocketStream) -> None:
        await _serve_connection(stream, answer_line, seats)

    with _open_socket(path) as listening:
        identity = _identity(path)
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
        try:
            task_status.started()
            async with trio.open_nursery() as connections:
                limited = RateLimitedLog(_log, clock=trio.current_time)
                await accept_connections(listener, answer_connection, connections, reserve=Reserve.NONE, log=limited)
        finally:
            _remove_own(path, identity)


def _open_socket(path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        listening.bind(str(path))
        path.chmod(0o600)  # before listen(): until then nobody can connect
        listening.listen()
    except OSError as error:
        listening.close()
        raise OperatorSocketError(f"cannot open the operator's socket {path}: {error.strerror or error}") from error
    except OperatorSocketError:
        listening.close()
        raise
    return listening


def _remove_stale(path: Path) -> None:
    """Make room at `path` if a server that is gone left its socket there."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OperatorSocketError(f"cannot open the operator's socket {path}: something else is there")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a server with a full backlog is alive, and must not block us
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except BlockingIOError:
            pass
    raise OperatorSocketError(f"another server answers on the operator's socket {path}")


def _remove_own(path: Path, identity: tuple[int, int] | None) -> None:
    """Remove the socket, unless a later server has replaced it with its own."""
    if _identity(path) == identity:
        path.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


async def _serve_connection(stream: trio.SocketStream, answer_line: AnswerLine, seats: Seats) -> None:
    with stream.socket:
        seat = seats.take()
        if seat is None:
            await _refuse(stream, "too many connections; try again later")
            return
        try:
            with seat.scope:
                await _answer_requests(stream, answer_line, seat)
        finally:
            seats.leave(seat)
        if seat.scope.cancelled_caught:
            _sparing_log.warning("operator connection closed: another one needs its place", limit=MAX_CONNECTIONS)


async def _refuse(stream: trio.SocketStream, message: str) -> None:
    """Say why the connection is closed, if the other side listens at all."""
    try:
        await _send(stream, answer_pieces(NotDone(error=ErrorKind.FAILED, message=message)))
    except (trio.BrokenResourceError, trio.TooSlowError):
        return


async def _answer_requests(stream: trio.SocketStream, answer_line: AnswerLine, seat: Seat) -> None:
    buffer = bytearray()
    operator = Operator(who=_peer(stream))
    try:
        while (line := await _next_line(stream, buffer)) is not None:
            with seat.working():
                answer = await _answer(line, answer_line, operator)
            await _send(stream, answer)
    except _LineTooLong:
        await _refuse(stream, f"the request is longer than {MAX_REQUEST_SIZE} bytes")
    except (trio.BrokenResourceError, trio.TooSlowError) as error:
        _log.debug("operator connection ended", cause=type(error).__name__)


async def _next_line(stream: trio.SocketStream, buffer: bytearray) -> bytes | None:
    """The next line, without its end; None at the end of the stream. What follows the line stays in `buffer`."""
    if not buffer:
        with fail_after(IDLE_TIMEOUT):
            buffer += await stream.receive_some()
    with fail_after(LINE_TIMEOUT):
        searched = 0
        while (end := buffer.find(b"\n", searched)) < 0:
            searched = len(buffer)
            if searched > MAX_REQUEST_SIZE:
                raise _LineTooLong
            chunk = await stream.receive_some()
            if not chunk:
                return None
            buffer += chunk
    if end > MAX_REQUEST_SIZE:
        raise _LineTooLong
    line = bytes(buffer[:end])
    del buffer[: end + 1]
    return line


async def _answer(line: bytes, answer_line: AnswerLine, operator: Operator) -> Iterable[bytes]:
    try:
        return await answer_line(line, operator)
    except CommandError as error:
        return answer_pieces(NotDone(error=ErrorKind.USAGE, message=error.message))


def _peer(stream: trio.SocketStream) -> str:
    """Who is at the other end, as the system knows it (SO_PEERCRED): `uid 1000`."""
    credentials = stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(credentials)
    return f"uid {user}"


async def _send(stream: trio.SocketStream, pieces: Iterable[bytes]) -> None:
    """Piece by piece: a list may have thousands of rows, and media must not wait until all are encoded."""
    for piece in pieces:
        with fail_after(SEND_TIMEOUT):
            await stream.send_all(piece)

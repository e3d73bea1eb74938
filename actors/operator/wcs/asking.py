"""Asks the server over its Unix socket, one request at a time. Standard library only: `wcs` uses it."""

import contextlib
import json
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ANSWER_TIMEOUT = 30.0
"""Seconds the server may take to answer."""
MAX_ANSWER_SIZE = 64 * 1024 * 1024


class ServerUnreachable(Exception):
    """No server answers; the text says where we looked and why that failed."""


def ask(path: Path, request: Mapping[str, Any], *, timeout: float = ANSWER_TIMEOUT) -> dict[str, Any]:
    """The server's answer to one request; ServerUnreachable if there is none in time."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        _connect(connection, path)
        try:
            with contextlib.suppress(BrokenPipeError):  # a server that wants no requests has said why
                connection.sendall(json.dumps(request).encode() + b"\n")
            line = b"".join(_chunks_of_line(connection))
        except TimeoutError:
            raise ServerUnreachable(f"the server at {path} did not answer within {timeout:.0f} s") from None
        except OSError as error:
            raise ServerUnreachable(f"the server at {path} went away: {error.strerror or error}") from None
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or "ok" not in answer:
        raise ServerUnreachable(
            f"the server at {path} ended the conversation; the command may or may not have been done"
        )
    return answer


def _connect(connection: socket.socket, path: Path) -> None:
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        raise ServerUnreachable(
            f"no server runs on the state folder {path.parent} (nobody listens on {path}); "
            "start wcsd, or name its folder with --state"
        ) from None
    except PermissionError:
        raise ServerUnreachable(f"no permission to use {path}; run wcs as the user that runs the server") from None
    except OSError as error:  # a path too long for a Unix socket among them
        raise ServerUnreachable(f"cannot connect to {path}: {error.strerror or error}") from None


def _chunks_of_line(connection: socket.socket) -> Iterator[bytes]:
    received = 0
    while received <= MAX_ANSWER_SIZE:
        chunk = connection.recv(65536)
        received += len(chunk)
        yield chunk
        if not chunk or chunk.endswith(b"\n"):
            return

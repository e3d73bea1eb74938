"""How the bench talks to its peer processes: JSON lines, requests on their standard input, answers on the output.

A peer process that loses its standard input ends, so none outlives the bench.
"""

import json
import os
import selectors
import subprocess
import sys
import time
from array import array
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import trio
from attrs import asdict, field, frozen

ROOT = Path(__file__).resolve().parents[4]
_PIECE = 1 << 16


@frozen(kw_only=True)
class Task:
    """What every peer process is told at its start."""

    server: str
    url: str
    stream: str
    host: str
    folder: Path = field(converter=Path)
    gap: float = 0.0
    """Seconds between the packets of a picture."""
    publishers: int = 1
    audience: int = 0
    """Viewers of each publisher; 0: all are the first one's."""

    def stream_of(self, publisher: int) -> str:
        """The stream of a publisher. With Janus it is a room, which has a number."""
        return str(int(self.stream) + publisher) if publisher else self.stream

    def stream_for(self, viewer: int) -> str:
        """The stream that a viewer plays."""
        return self.stream_of(max(viewer, 0) // self.audience if self.audience else 0)

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> "Task":
        return cls(**json.loads(text))


class Instructions(Protocol):
    """What a peer process is told at its start; `folder` is where its log goes."""

    @property
    def folder(self) -> Path: ...
    def to_json(self) -> str: ...


class PeerProcess:
    """A started peer process, as the bench holds it; used in a `with`. `module` is one of `tests.bench`."""

    def __init__(self, module: str, task: Instructions, name: str) -> None:
        self._name = name
        self._log = task.folder / f"{name}.log"
        self._pending = b""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"tests.bench.{module}", task.to_json(), name],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, do: str, *, timeout: float, **fields: object) -> Any:
        """Send a request and wait for its answer. Raises RuntimeError when none comes in `timeout` seconds."""
        self.tell(do, **fields)
        return self.answer(timeout=timeout)

    def tell(self, do: str, **fields: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **fields}).encode() + b"\n")
        self._process.stdin.flush()

    def answer(self, *, timeout: float) -> Any:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                rest = deadline - time.monotonic()
                piece = os.read(descriptor, _PIECE) if rest > 0 and selector.select(rest) else b""
                if not piece:
                    raise RuntimeError(f"{self._name} did not answer in {timeout} s\n{self._log.read_text()[-4000:]}")
                self._pending += piece
        line, _, self._pending = self._pending.partition(b"\n")
        return json.loads(line)


async def requests() -> AsyncIterator[Mapping[str, Any]]:
    """In a peer process: the requests, until standard input ends."""
    pending = b""
    stream = trio.lowlevel.FdStream(os.dup(sys.stdin.fileno()))
    while piece := await stream.receive_some(_PIECE):
        *lines, pending = (pending + piece).split(b"\n")
        for line in lines:
            yield json.loads(line)


def write(numbers: "array[int]", path: str) -> None:
    """In a peer process: leave what is too long for an answer in a file; `read` reads it."""
    Path(path).write_bytes(numbers.tobytes())


def read(path: Path) -> "array[int]":
    """The numbers that a peer process wrote."""
    numbers = array("q")
    numbers.frombytes(path.read_bytes())
    return numbers


def reply(**fields: object) -> None:
    """In a peer process: answer the request at hand."""
    print(json.dumps(fields), flush=True)

"""The process that workers are forked from: it has loaded once what takes long to load, and does nothing else.

A request comes through a Unix socket, the standard input, as one message: JSON with the name of a `program` and the
`numbers` that its descriptors are to have. With it come the new process's standard input, output and error, a pipe for
its exit status, and those descriptors. The answer is the process's `pid`, with a descriptor that stands for it (pidfd).

It is single-threaded, so that a fork is a whole process. It ends when the socket does; its workers do not.
"""

import fcntl
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from attrs import define

from actors.workers.programs.common.control import leave_signals_to_server
from actors.workers.programs.common.libc import libc

PRELOADED: Final = ("capture", "push", "remuxer", "snapshotter")
"""The programs that are forked: all that load PyAV, which takes half a second and much memory."""
MAX_REQUEST: Final = 4096
MAX_DESCRIPTORS: Final = 32
_STANDARD: Final = 3
_OWN: Final = _STANDARD + 1
"""Descriptors of a request before those that are the program's."""
_SET_NAME: Final = 15


@define
class Child:
    """A process that was forked, and where its exit status is told."""

    pid: int
    pidfd: int
    status: int


class ProcessFork:
    """See above."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._children: dict[int, Child] = {}  # by their pidfds
        self._poll = select.poll()
        self._poll.register(requests, select.POLLIN)

    def run(self) -> None:
        """Fork until the socket ends."""
        while True:
            for descriptor, _ in self._poll.poll():
                if descriptor in self._children:
                    self._reap(self._children[descriptor])
                elif not self._serve():
                    return

    def _serve(self) -> bool:
        """One request; False at the end of them."""
        message, descriptors, _, _ = socket.recv_fds(self._requests, MAX_REQUEST, MAX_DESCRIPTORS)
        if not message:
            return False
        request = json.loads(message)
        pid = os.fork()
        if not pid:
            _live(request["program"], descriptors, request["numbers"])
        child = Child(pid, os.pidfd_open(pid), descriptors[_STANDARD])
        for descriptor in (*descriptors[:_STANDARD], *descriptors[_OWN:]):
            os.close(descriptor)
        self._children[child.pidfd] = child
        self._poll.register(child.pidfd, select.POLLIN)
        socket.send_fds(self._requests, [json.dumps({"pid": pid}).encode()], [child.pidfd])
        return True

    def _reap(self, child: Child) -> None:
        _, status = os.waitpid(child.pid, 0)
        with suppress(BrokenPipeError):
            os.write(child.status, b"%d" % os.waitstatus_to_exitcode(status))
        self._poll.unregister(child.pidfd)
        del self._children[child.pidfd]
        os.close(child.pidfd)
        os.close(child.status)


def _live(program: str, descriptors: Sequence[int], numbers: Sequence[int]) -> None:
    """Be the new process, and end."""
    exit_code = 1
    try:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        _arrange([*descriptors[:_STANDARD], *descriptors[_OWN:]], [0, 1, 2, *numbers])
        libc.prctl(_SET_NAME, f"wcsd-{program}"[:15].encode(), 0, 0, 0)
        importlib.import_module(f"actors.workers.programs.{program}").main()
        exit_code = 0
    finally:
        if exit_code:
            traceback.print_exc()
        os._exit(exit_code)


def _arrange(descriptors: Sequence[int], numbers: Sequence[int]) -> None:
    """Have these descriptors under these numbers, and no others."""
    above = max(numbers) + 1
    kept = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, above) for descriptor in descriptors]
    for number, descriptor in zip(numbers, kept, strict=True):
        os.dup2(descriptor, number)
    wanted = sorted(numbers)
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    for before, following in zip(wanted, [*wanted[1:], most], strict=True):
        os.closerange(before + 1, following)


def main() -> None:
    """Run as a process of the server."""
    leave_signals_to_server()
    for program in PRELOADED:
        importlib.import_module(f"actors.workers.programs.{program}")
    gc.collect()
    gc.freeze()  # a collection in a worker would copy all of it
    ProcessFork(socket.socket(fileno=sys.stdin.fileno())).run()


if __name__ == "__main__":
    main()

"""A process for several recorders, which come one by one.

For each a message comes through a Unix socket, the standard input: JSON with the `numbers` that its job has for its
descriptors. With it come its standard input, output and error, a pipe for its exit status, and those descriptors. Its
job is the first line of that input. The process ends when the socket has ended, and all recorders have.

Its argument is how many bytes a file may have.
"""

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from actors.workers.programs.common.control import ControlLines, leave_signals_to_server
from actors.workers.programs.common.sandbox import enter
from actors.workers.programs.recorder import INDEX_ROOM, Recorder
from actors.workers.programs.recording.loop import Recorded, RecorderLoop

DESCRIPTORS: Final = 128
"""Seven for each recorder, a next file, and our own."""
MAX_REQUEST: Final = 4096
MAX_DESCRIPTORS: Final = 16
_STANDARD: Final = 3
_OWN: Final = _STANDARD + 1


class SharedRecorders:
    """See above. `refused`: the steps of the sandbox that were."""

    def __init__(self, requests: socket.socket, refused: dict[str, str]) -> None:
        self._requests = requests
        self._refused = refused
        self._statuses: dict[int, int] = {}
        """Pipes for exit statuses, by the descriptors of their recorders' commands."""
        self._loop = RecorderLoop(self._ended)
        self._loop.watch(requests.fileno(), self._take)

    def run(self) -> None:
        """Until nobody needs the process any more."""
        self._loop.run()

    def _take(self) -> None:
        """A recorder, or the end of them."""
        message, descriptors, _, _ = socket.recv_fds(self._requests, MAX_REQUEST, MAX_DESCRIPTORS)
        if not message:
            self._loop.forget(self._requests.fileno())
            return
        control, status, own = ControlLines(*descriptors[:_STANDARD]), descriptors[_STANDARD], descriptors[_OWN:]
        self._statuses[control.fileno()] = status
        numbers = dict(zip(json.loads(message)["numbers"], own, strict=True))
        self._loop.watch(control.fileno(), lambda: self._begin(control, numbers))

    def _begin(self, control: ControlLines, numbers: dict[int, int]) -> None:
        """The job has come, or its giver has gone."""
        self._loop.forget(control.fileno())
        job = control.read()
        if job is None:
            _close(list(numbers.values()))
            self._close(control, 1)
            return
        recorder = Recorder(job, control, numbers)
        control.tell("ready", refused=self._refused)
        self._loop.add(recorder)

    def _ended(self, recorder: Recorded, status: int) -> None:
        if isinstance(recorder, Recorder):
            try:
                recorder.close()
            except OSError as error:  # a file system of the network tells only now what it could not keep
                recorder.control.complain(f"a file cannot be closed: {error.strerror}")
        self._close(recorder.control, status)

    def _close(self, control: ControlLines, status: int) -> None:
        """The last that is heard of a recorder is its status."""
        pipe = self._statuses.pop(control.fileno())
        control.close()
        with suppress(BrokenPipeError):
            os.write(pipe, b"%d" % status)
        os.close(pipe)


def _close(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def main() -> None:
    """Run as a process of the server."""
    leave_signals_to_server()
    for number in (signal.SIGXFSZ, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    refused = enter(int(sys.argv[1]) + INDEX_ROOM, descriptors=DESCRIPTORS)
    SharedRecorders(socket.socket(fileno=sys.stdin.fileno()), refused).run()


if __name__ == "__main__":
    main()

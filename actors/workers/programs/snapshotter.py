"""The worker that takes pictures of publications, of many at a time: one after the other, the
smallest of those that can be made first.

The job has the number of one descriptor, `requests`: a socket from which a request comes as one message, JSON with
`id`, `format`, `width` and `max_bytes`, and two descriptors with it: a publication's tap, and a file for the picture.
The worker waits for a key frame, writes the picture in base64, and reports `picture` or `failed` with the `id`. The
server gives up waiting by closing its end of the tap.
"""

import base64
import json
import os
import select
import signal
import socket
import sys
import time
from typing import Any, Final

from attrs import define, field

from actors.workers.programs.codecs.pictures import NoPicture, TooLarge, make_picture, warm_up
from actors.workers.programs.common.control import leave_signals_to_server, read_command, read_job, tell
from actors.workers.programs.common.sandbox import enter
from protocol.containers.key_frame import KeyFrameReader
from protocol.stream.pictures import MAX_BYTES, MAX_PIXELS, PictureFormat, PictureSpec
from protocol.taps import MAX_MESSAGE, TapError

STAT_INTERVAL: Final = 5.0
KEY_FRAME_INTERVAL: Final = 0.2
"""Seconds between two requests for key frames for one picture, at the least."""
MAX_REQUEST: Final = 4096


@define(eq=False)
class WantedPicture:
    """A picture that is wanted."""

    number: int
    spec: PictureSpec
    tap: socket.socket
    file: int
    reader: KeyFrameReader = field(factory=KeyFrameReader)
    asked_at: float = 0.0

    def close(self) -> None:
        self.tap.close()
        os.close(self.file)


class Snapshotter:
    """See above."""

    def __init__(self, requests: socket.socket) -> None:
        requests.setblocking(False)
        self._requests = requests
        self._shots: dict[int, WantedPicture] = {}  # by the descriptors of their taps
        self._memory = bytearray(MAX_MESSAGE)
        self._found: list[WantedPicture] = []
        """Those whose key frames are there, and that are to be made."""
        self._poll = select.poll()
        self._taken = self._failed = 0
        for descriptor in (requests.fileno(), sys.stdin.fileno()):
            self._poll.register(descriptor, select.POLLIN)

    def run(self) -> str:
        """Take pictures until something ends it; the reason."""
        stat_at = time.monotonic()
        while True:
            timeout = 0.0 if self._found else max(0.0, stat_at - time.monotonic())
            ready = [descriptor for descriptor, _ in self._poll.poll(timeout * 1000)]
            if sys.stdin.fileno() in ready and (why := _end_of(read_command())):
                return why
            if self._requests.fileno() in ready and not self._accept():
                return "server-gone"
            for descriptor in ready:
                if descriptor in self._shots:
                    self._advance(self._shots[descriptor])
            self._take_smallest()
            if time.monotonic() >= stat_at:
                stat_at = time.monotonic() + STAT_INTERVAL
                tell("stat", taken=self._taken, failed=self._failed, waiting=len(self._shots))

    def _accept(self) -> bool:
        """All requests that are there; False at the end of them."""
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self._requests, MAX_REQUEST, 2)
            except BlockingIOError:
                return True
            if not message:
                return False
            self._begin(message, descriptors)

    def _begin(self, message: bytes, descriptors: list[int]) -> None:
        shot = _shot_of(json.loads(message), descriptors)
        shot.tap.setblocking(False)
        self._shots[shot.tap.fileno()] = shot
        self._poll.register(shot.tap, select.POLLIN)

    def _advance(self, shot: WantedPicture) -> None:
        """One message of a tap, so that others are not kept waiting."""
        reader = shot.reader
        if shot in self._found:
            self._fail(shot, "ended")  # by who wanted it, or its publication
            return
        try:
            length = shot.tap.recv_into(self._memory)
            reader.feed(memoryview(self._memory)[:length])
        except BlockingIOError:
            return
        except (OSError, TapError):
            length = 0
        if reader.found is not None:
            self._poll.modify(shot.tap, 0)  # its end alone
            self._found.append(shot)
        elif reader.ended or not length:
            self._fail(shot, "ended")
        elif time.monotonic() - shot.asked_at >= KEY_FRAME_INTERVAL and reader.wants_key_frame():
            shot.asked_at = time.monotonic()
            tell("keyframe", id=shot.number)

    def _take_smallest(self) -> None:
        """One picture, the one that takes the least time: large ones keep few others waiting."""
        shot = min(self._found, key=_pixels, default=None)
        if shot is not None:
            self._take(shot)

    def _take(self, shot: WantedPicture) -> None:
        assert shot.reader.found is not None  # noqa: S101 - what it is called for
        try:
            data, width, height = make_picture(shot.reader.codec, shot.reader.found, shot.spec)
            text = base64.b64encode(data)
            _write(shot.file, text)
        except (NoPicture, OSError) as error:
            print(f"no picture of {shot.reader.codec}: {error}", file=sys.stderr, flush=True)
            self._fail(shot, "too-large" if isinstance(error, TooLarge) else "undecodable")
            return
        self._forget(shot)
        self._taken += 1
        tell("picture", id=shot.number, size=len(text), width=width, height=height)

    def _fail(self, shot: WantedPicture, why: str) -> None:
        self._forget(shot)
        self._failed += 1
        tell("failed", id=shot.number, why=why)

    def _forget(self, shot: WantedPicture) -> None:
        descriptor = shot.tap.fileno()
        self._poll.unregister(descriptor)
        del self._shots[descriptor]
        if shot in self._found:
            self._found.remove(shot)
        shot.close()


def _shot_of(request: dict[str, Any], descriptors: list[int]) -> WantedPicture:
    tap, file = descriptors
    spec = PictureSpec(format=PictureFormat(request["format"]), width=request["width"], max_bytes=request["max_bytes"])
    return WantedPicture(request["id"], spec, socket.socket(fileno=tap), file)


def _pixels(shot: WantedPicture) -> int:
    """Of a picture to be made, as far as they are known."""
    frame = shot.reader.found
    return frame.width * frame.height if frame is not None and frame.width else MAX_PIXELS


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _end_of(command: dict[str, Any] | None) -> str:
    """Why it ends because of this command, if it does."""
    if command is None:
        return "server-gone"
    return "stopped" if command.get("do") == "stop" else ""


def main() -> None:
    """Run as a process of the server."""
    leave_signals_to_server()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    job = read_job()
    snapshotter = Snapshotter(socket.socket(fileno=job["requests"]))
    warm_up()
    tell("ready", refused=enter(2 * MAX_BYTES))
    tell("done", why=snapshotter.run())


if __name__ == "__main__":
    main()

"""The process that takes all pictures: an actor for it, and for each picture what it was asked for."""

import json
import os
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final

import trio
from attrs import define, field

from actors.node.ports.snapshot import NotShown, SnapshotRefused
from actors.runtime.actor import StopReason
from actors.runtime.logs import get_logger
from actors.workers.processes.tap_channel import OpenTap, WorkerTap, tap_channel
from actors.workers.processes.worker import Worker, WorkerServices
from protocol.stream.info_texts import StreamInfo
from protocol.stream.pictures import Picture, PictureSpec, is_base64

FAILED: Final = "No picture could be taken"
ENDED: Final = StreamInfo.DISTRIBUTOR_STOPPED
TOO_LARGE: Final = "The picture is larger than 4096x2304"

log = get_logger("workers")


@define(eq=False, kw_only=True)
class Shot:
    """One picture that the process is to take."""

    number: int
    spec: PictureSpec
    file: int
    """The descriptor of the file that the process writes into; it has no name."""
    tap: WorkerTap | None = None
    ended: trio.Event = field(factory=trio.Event)
    picture: Picture | None = None
    refusal: SnapshotRefused | None = None

    def end(self, result: Picture | SnapshotRefused) -> None:
        """The first result counts."""
        if not self.ended.is_set():
            if isinstance(result, Picture):
                self.picture = result
            else:
                self.refusal = result
            self.ended.set()

    def close(self) -> None:
        """Nothing is wanted any more: the process reads the end of the tap."""
        tap, self.tap = self.tap, None
        if tap is not None:
            tap.close()
        file, self.file = self.file, -1
        if file >= 0:
            os.close(file)


class SnapshotWorker(Worker):
    """See above. It serves until it is stopped, or its process dies; then what it was asked for fails."""

    program = "snapshotter"

    def __init__(self, services: WorkerServices) -> None:
        super().__init__(services)
        self.ready = trio.Event()
        """The process takes requests, or has ended."""
        self._requests: socket.socket | None = None
        self._shots: dict[int, Shot] = {}
        self._last = 0

    def __len__(self) -> int:
        """How many pictures it is at."""
        return len(self._shots)

    def begin(self, spec: PictureSpec, open_tap: OpenTap) -> Shot:
        """Have a picture taken. Raises OSError. The caller must `close` the shot."""
        self._last += 1
        shot = Shot(number=self._last, spec=spec, file=os.memfd_create("picture"))
        try:
            self._request(shot, open_tap)
        except BaseException:
            shot.close()
            raise
        self._shots[shot.number] = shot
        return shot

    def hangs(self) -> None:
        """It has not reported in time what it should have: it is ended now."""
        self._silence.deadline = trio.current_time()

    # -- the actor -----------------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        try:
            await self._begin()
        except OSError as error:
            log.error("worker cannot be started", program=self.program, error=str(error))
            self.stop(StopReason(cause="refused"))

    def became_ready(self) -> None:
        self.ready.set()

    def take_event(self, event: Mapping[str, Any]) -> None:
        shot = self._shots.get(event.get("id", 0))
        if shot is None:
            return
        match event.get("event"):
            case "keyframe" if shot.tap is not None:
                shot.tap.request_key_frame()
            case "picture":
                self._end(shot, _picture(shot, event))
            case "failed":
                self._end(shot, _refusal(str(event.get("why"))))

    def done(self, why: str, event: Mapping[str, Any]) -> StopReason:
        return StopReason(cause=why)

    def teardown(self, reason: StopReason) -> None:
        requests, self._requests = self._requests, None
        if requests is not None:
            requests.close()
        for shot in tuple(self._shots.values()):
            self._end(shot, SnapshotRefused(FAILED))
        self.ready.set()

    # -- inside --------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        try:
            await self.spawn({"requests": theirs.fileno()}, (theirs.fileno(),))
            await self.go_on()
            self._requests = ours
        finally:
            theirs.close()
            if self._requests is None:
                ours.close()

    def _request(self, shot: Shot, open_tap: OpenTap) -> None:
        if self._requests is None:
            raise ConnectionResetError("the process has ended")
        ours, theirs = tap_channel()
        try:
            request = {"id": shot.number, "format": shot.spec.format, "width": shot.spec.width}
            message = json.dumps(request | {"max_bytes": shot.spec.max_bytes}).encode()
            socket.send_fds(self._requests, [message], [theirs.fileno(), shot.file])
            shot.tap = open_tap(ours, _end_of(shot))
        finally:
            theirs.close()
            if shot.tap is None:
                ours.close()

    def _end(self, shot: Shot, result: Picture | SnapshotRefused) -> None:
        self._shots.pop(shot.number, None)
        shot.end(result)


def _end_of(shot: Shot) -> Callable[[], None]:
    """What is called when the publication has ended; the process may still make a picture of what came before."""

    def ended() -> None:
        shot.tap = None

    return ended


def _refusal(why: str) -> SnapshotRefused:
    """Why the process has made no picture."""
    match why:
        case "ended":
            return SnapshotRefused(ENDED)
        case "too-large":
            return NotShown(TOO_LARGE)
    return NotShown(FAILED)


def _picture(shot: Shot, event: Mapping[str, Any]) -> Picture | SnapshotRefused:
    """What the process has written; it may be anything, if what it decoded has taken it over."""
    size, width, height = (event.get(name) for name in ("size", "width", "height"))
    if not (isinstance(size, int) and isinstance(width, int) and isinstance(height, int)) or shot.file < 0:
        return SnapshotRefused(FAILED)
    data = os.pread(shot.file, min(size, shot.spec.max_text), 0)
    if len(data) != size or not is_base64(data):
        return SnapshotRefused(FAILED)
    return Picture(data=data, width=width, height=height)

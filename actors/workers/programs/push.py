"""The worker that pushes one publication to one RTMP server, over a connection that the server made.

The job has the numbers of three descriptors: `tap`, `target` and `orders`, a socket by which files of sound come.
`app`, `key`, `tc_url` name the stream there; `user` is a name and a password, if the target asks for them, or null, and
`authentication` what a connection before this one has learned of that; `tls` is the name that a certificate must have,
or null; `timeout` is in seconds; `transcode` is the bit rate of a picture that is no H264, 0: it is refused. It reports
`publishing` when the target takes the stream.

It reads from outside what the target says and what publishers send: so it has no network but this connection.
"""

import os
import resource
import select
import socket
import sys
import time
from typing import Any, Final

from actors.workers.programs.common.control import leave_signals_to_server, read_command, read_job, tell
from actors.workers.programs.common.sandbox import enter
from actors.workers.programs.pushing.stream import PushStream
from actors.workers.programs.pushing.target import TargetConnection, TargetGone, client_context
from protocol.rtmp.authentication import RtmpUser
from protocol.rtmp.chunks import RtmpError
from protocol.rtmp.publisher import PublisherState, RtmpPublisher, RtmpRefused, RtmpUserAsked
from protocol.rtmp.target import without_secrets
from protocol.taps import MAX_MESSAGE, TapError

STAT_INTERVAL: Final = 5.0
TAKE_INTERVAL: Final = 0.04
"""Seconds between two looks at what can be sent."""
KEY_FRAME_INTERVAL: Final = 0.5
MOST_LAG: Final = 1.0
"""Seconds that what is sent may wait for the target, before pictures are left out."""
MAX_SOUND_FILE: Final = 64 << 20
FAREWELL: Final = 1.0
"""Seconds that the target has to take what waits, at the end."""


class Pusher:
    """See above."""

    def __init__(self, job: dict[str, Any], target: TargetConnection) -> None:
        self._tap = socket.socket(fileno=job["tap"])
        self._tap.setblocking(False)
        self._orders = socket.socket(fileno=job["orders"])
        self._target = target
        self._timeout: float = job["timeout"]
        self._key: str = job["key"]
        self._app: str = job["app"]
        self._parameters: str = job["authentication"]
        user = None if job["user"] is None else RtmpUser(name=job["user"][0], password=job["user"][1])
        self._publisher = RtmpPublisher(
            self._app, self._key, job["tc_url"], os.urandom, user=user, parameters=self._parameters
        )
        self.authentication = ""
        """What another connection is to say of the user."""
        self._stream = PushStream(self._publisher, transcode=job["transcode"], is_muted=job["muted"])
        self._memory = bytearray(MAX_MESSAGE)
        self._ahead = 0.0  # of our clock against the plane's
        self._began = time.monotonic()
        self._asked_at = 0.0
        self._is_publishing = False
        self._why = self._detail = ""

    def run(self) -> tuple[str, str]:
        """Push until something ends it: the reason, and what the target says of it."""
        take_at = stat_at = time.monotonic()
        try:
            while not self._why:
                self._wait(max(0.0, take_at - time.monotonic()))
                now = time.monotonic()
                if now >= take_at:
                    take_at = now + TAKE_INTERVAL
                    self._push(now)
                if now >= stat_at:
                    stat_at = now + STAT_INTERVAL
                    tell("stat", **self.figures())
            self._say_farewell()
        except RtmpUserAsked as asked:
            self._why, self.authentication = self._why or "user-asked", asked.parameters
        except (TargetGone, RtmpRefused, RtmpError) as error:
            self._fail("target-refused" if isinstance(error, RtmpRefused) else "target-failed", str(error))
        return self._why, self._detail

    def figures(self) -> dict[str, Any]:
        """What is told from time to time, and at the end."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "bytes": self._target.sent,
            "waiting": self._target.waiting,
            **self._stream.figures(),
            "cpu_ms": round((usage.ru_utime + usage.ru_stime) * 1000),
        }

    # -- inside --------------------------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(sys.stdin.fileno(), select.POLLIN)
        if self._stream.is_known:
            poll.register(self._orders.fileno(), select.POLLIN)
        poll.register(self._target.descriptor, self._target.interest)
        if self._is_publishing:
            poll.register(self._tap.fileno(), select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(seconds * 1000)}
        if sys.stdin.fileno() in ready:
            self._obey()
        if self._orders.fileno() in ready:
            self._take_file()
        if self._target.descriptor in ready:
            self._hear()
        if self._tap.fileno() in ready:
            self._read()

    def _obey(self) -> None:
        command = read_command()
        if command is None:
            self._why = "server-gone"
        elif command.get("do") == "stop":
            self._why = "stopped"
        elif command.get("do") == "mute":
            self._stream.mute(bool(command.get("muted")))
            tell("muted", muted=bool(command.get("muted")))
        elif command.get("do") == "sound_off":
            self._stream.play_file(None)

    def _take_file(self) -> None:
        flags, descriptors, _, _ = socket.recv_fds(self._orders, 16, 1)
        for descriptor in descriptors:
            with os.fdopen(descriptor, "rb") as file:
                if not self._stream.play_file(file.read(MAX_SOUND_FILE), loops=flags == b"loop"):
                    print("a file without sound", file=sys.stderr, flush=True)
        tell("sound", on=self._stream.plays_file)

    def _hear(self) -> None:
        now = time.monotonic()
        data = self._target.receive()
        if data:
            self._publisher.receive(data)
        self._target.send(self._publisher.take_output(), now)
        self._target.flush(now)
        if not self._is_publishing and self._publisher.state is PublisherState.PUBLISHING:
            self._is_publishing = True
            tell("publishing")

    def _read(self) -> None:
        """A message of the tap; at most one, so that others are not kept waiting."""
        try:
            length = self._tap.recv_into(self._memory)
        except BlockingIOError:
            return
        except OSError:
            length = 0
        if not length:
            self._why = self._why or "ended"
            return
        try:
            self._stream.feed(memoryview(self._memory)[:length])
        except TapError as error:
            print(f"a message that is none: {error}", file=sys.stderr, flush=True)
        self._ahead = time.monotonic() - self._stream.newest
        if self._stream.has_changed:
            self._why = self._why or "changed"
        if self._stream.ended:
            self._why = self._why or "ended"

    def _push(self, now: float) -> None:
        """Send what can be sent, and look whether the target still takes it."""
        self._target.send(self._publisher.take_output(), now)
        self._target.flush(now)
        stuck = self._target.stuck_since
        if stuck is not None and now - stuck >= self._timeout:
            self._fail("target-hangs", f"took nothing for {self._timeout:g} s")
        elif not self._is_publishing:
            if now - self._began >= self._timeout:
                self._fail("target-hangs", f"no answer for {self._timeout:g} s")
        else:
            self._send_frames(now)

    def _send_frames(self, now: float) -> None:
        is_late = self._target.lag(now) >= MOST_LAG
        self._target.send(self._stream.take(now - self._ahead, is_late=is_late), now)
        if self._stream.refusal:
            self._fail("refused", self._stream.refusal)
        if now - self._asked_at >= KEY_FRAME_INTERVAL and self._stream.wants_key_frame():
            self._asked_at = now
            tell("keyframe")
        if self._stream.file_has_ended():
            tell("sound", on=False)

    def _say_farewell(self) -> None:
        now = time.monotonic()
        if self._is_publishing and self._why in ("ended", "stopped", "changed"):
            self._target.send(self._stream.rest() + self._publisher.farewell(), now)
            while self._target.waiting and time.monotonic() < now + FAREWELL:
                poll = select.poll()
                poll.register(self._target.descriptor, select.POLLOUT)
                poll.poll(100)
                self._target.flush(time.monotonic())
        self._target.close()

    def _fail(self, why: str, detail: str) -> None:
        if self._why not in ("ended", "stopped", "server-gone"):
            self._why, self._detail = why, without_secrets(detail, self._key, self._app, self._parameters)


def main() -> None:
    """Run as a process of the server."""
    leave_signals_to_server()
    job = read_job()
    context = client_context(job["ca_file"]) if job["tls"] is not None else None
    target = TargetConnection(job["target"], context, job["tls"] or "")
    push = Pusher(job, target)
    tell("ready", refused=enter(0))
    why, detail = push.run()
    tell("done", why=why, detail=detail, authentication=push.authentication, **push.figures())


if __name__ == "__main__":
    main()

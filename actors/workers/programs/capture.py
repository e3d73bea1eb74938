"""The worker that brings one source into the server: it connects, and sends what comes as tap messages.

The job: `feed`, the descriptor of the socket for the messages; `url`, or `file`, a descriptor; `options` for FFmpeg;
`connect_timeout` and `read_timeout` in seconds; `paced`, whether the source is read faster than it plays; `loops`,
whether it begins again at its end; `offset` of timestamps. The worker is one connection: it ends with it, and says why.

What comes by HTTP is fetched by `actors.workers.programs.capturing.http_files`, all else by FFmpeg itself.

H264, VP8, Opus and G.711 are passed on as they are; other sound becomes Opus, and, where `transcode` is a bit rate,
H265 and pictures with B-frames become H264. Addresses may hold passwords, so nothing
that FFmpeg says is shown.
"""

import math
import os
import resource
import select
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

import av
import av.subtitles.stream  # else it would be imported late, when no file can be read any more

from actors.workers.programs.capturing.http_files import OPTIONS, FileUnavailable, HttpFiles, trust
from actors.workers.programs.capturing.tracks import CapturedSound, CapturedTrack, CapturedVideo, Unfit
from actors.workers.programs.common.control import leave_signals_to_server, read_command, read_job, tell
from actors.workers.programs.common.isolation import isolate
from actors.workers.programs.common.sandbox import MEMORY, enter
from protocol.common.errors import ProtocolError
from protocol.containers.rtp_tracks import SourceClock
from protocol.taps import MAX_MESSAGE, end_record, info_record

STAT_INTERVAL: Final = 5.0
LATE: Final = 1.0
"""Seconds by which a paced source may be late; then it goes on from there."""
LIMIT_FILES: Final = 0
"""Bytes that it may write to files."""
TRANSCODING_MEMORY: Final = 900 << 20
"""Bytes of address space of one that decodes and encodes pictures."""
_PROTOCOLS: Final = "rtsp,rtsps,rtmp,rtmps,rtmpt,rtmpts,http,https,tls,tcp,udp,rtp,rtcp,crypto,httpproxy"
"""What FFmpeg may speak: no files, and nothing that reaches them."""


class SourceEnded(Exception):
    """The source has ended, or cannot be used; the text is a word for the server."""


class CaptureProgram:
    """See above."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._job = job
        self._feed = socket.socket(fileno=job["feed"])
        self._clock = SourceClock()
        self._wall = time.time() - time.monotonic()
        self._paced: bool = job["paced"]
        self._anchor: float | None = None
        self._stat_at = time.monotonic() + STAT_INTERVAL
        self._silent_at = self._begins_by = math.inf
        self._has_begun = False
        self._packets = self._bytes = 0
        self._commands = select.poll()
        self._commands.register(sys.stdin.fileno(), select.POLLIN)
        self._tracks: dict[int, CapturedTrack] = {}
        self._records: list[bytes] = []
        self._size = 0
        self._files = self._http_files()

    def run(self) -> str:
        """Bring the source in until something ends it; the reason."""
        try:
            with self._open() as container:
                tracks = self._tracks = self._choose(container)
                while True:
                    self._pass_on(container, tracks)
                    if not self._job["loops"] or not self._has_begun:
                        return "ended"
                    container.seek(0)
                    self._clock.begin_again()
                    self._anchor = None
        except (SourceEnded, FileUnavailable) as ended:
            return str(ended)
        except Unfit as unfit:
            return unfit.why
        except UnicodeDecodeError:  # a playlist must be UTF-8 (RFC 8216, section 4)
            return "wrong-format"
        except av.FFmpegError as error:  # what it is when time has run out depends on where that was
            return "silent" if time.monotonic() >= self._silent_at else why_of(error)

    def figures(self) -> dict[str, Any]:
        """What is told from time to time, and at the end."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        more = {name: value for track in self._tracks.values() for name, value in track.figures.items()}
        return {
            **more,
            "packets": self._packets,
            "bytes": self._bytes,
            "cpu_ms": round((usage.ru_utime + usage.ru_stime) * 1000),
        }

    # -- the source ----------------------------------------------------------------------------------------------

    def _open(self) -> "av.container.InputContainer":
        job = self._job
        source = job["url"] if job.get("file") is None else os.fdopen(job["file"], "rb")
        timeouts = job["connect_timeout"], job["read_timeout"]
        options = {**job["options"], "protocol_whitelist": _PROTOCOLS}
        files = self._files
        if files is not None:
            options |= OPTIONS
        self._silent_at = self._begins_by = time.monotonic() + job["connect_timeout"]
        av.logging.set_level(av.logging.ERROR)
        try:
            with av.logging.Capture() as said:
                container: av.container.InputContainer = av.open(
                    source, "r", options=options, timeout=timeouts, io_open=None if files is None else files.open
                )
        except av.FFmpegError:
            if any(part == "tls" and "certificate" in text for _, part, text in said):
                raise SourceEnded("certificate") from None
            raise
        finally:
            av.logging.set_level(None)
        if files is not None:
            files.is_lenient = True
        return container

    def _http_files(self) -> HttpFiles | None:
        """Before files can be read no longer."""
        job = self._job
        if not (job.get("url") or "").lower().startswith(("http:", "https:")):
            return None
        options = job["options"]
        return HttpFiles(trust(options.get("ca_file"), verify=options["tls_verify"] == "1"), lambda: self._silent_at)

    def _choose(self, container: "av.container.InputContainer") -> dict[int, CapturedTrack]:
        """The tracks to pass on, by the index of their streams: sound first, as INFO has it."""
        found: dict[int, CapturedTrack] = {}
        offset = self._job["offset"]
        for sound in container.streams.audio[:1]:
            if CapturedSound.can_be(sound):
                found[sound.index] = CapturedSound(sound, len(found), offset)
            else:
                print("sound is in no codec that could be passed on; it is left out", file=sys.stderr, flush=True)
        for video in container.streams.video[:1]:
            found[video.index] = CapturedVideo(video, len(found), offset, self._job["transcode"])
        if not found:
            raise SourceEnded("no-media")
        return found

    def _pass_on(self, container: "av.container.InputContainer", tracks: dict[int, CapturedTrack]) -> None:
        """Until the end of the source."""
        for packet in self._packets_of(container, tracks):
            track = tracks[packet.stream.index]
            now = time.monotonic()
            try:
                for payloads, shown_at in track.take(packet):
                    self._begin()
                    told = self._clock.read(shown_at, now)
                    for record in track.rtp.records(payloads, told, told + self._wall):
                        self._add(record)
                self._begin()  # with a packet of which there is nothing to pass on, or not yet
            except ProtocolError as error:
                print(f"a packet that is none: {error}", file=sys.stderr, flush=True)
                self._refuse_nonsense(now)
            self._flush()
            self._look_around(now)

    def _begin(self) -> None:
        """Tell of the source once its first packet has come: one that only announces tracks is not open."""
        if self._has_begun:
            return
        self._has_begun = True
        self._send([info_record([track.form for track in self._tracks.values()], time.monotonic())])
        tell("source", tracks=[track.facts for track in self._tracks.values()])

    def _refuse_nonsense(self, now: float) -> None:
        """Give up a source of which no packet is one."""
        if not self._has_begun and now >= self._begins_by:
            raise SourceEnded("wrong-format")

    def _packets_of(
        self, container: "av.container.InputContainer", tracks: dict[int, CapturedTrack]
    ) -> "Iterator[av.Packet[Any]]":
        for packet in container.demux([container.streams[index] for index in tracks]):
            self._silent_at = time.monotonic() + self._job["read_timeout"]
            if packet.size:
                if self._paced and packet.dts is not None and packet.time_base is not None:
                    self._wait_for(float(packet.dts * packet.time_base))
                yield packet

    def _wait_for(self, due: float) -> None:
        """Wait until a packet's turn, as if the source were live."""
        now = time.monotonic()
        if self._anchor is None or now - self._anchor - due > LATE or due - (now - self._anchor) > 10 * LATE:
            self._anchor = now - due
        rest = self._anchor + due - now
        while rest > 0:
            time.sleep(min(rest, STAT_INTERVAL))
            now = time.monotonic()
            self._look_around(now)
            rest = self._anchor + due - now

    # -- the server ----------------------------------------------------------------------------------------------

    def _look_around(self, now: float) -> None:
        if now >= self._stat_at:
            self._stat_at = now + STAT_INTERVAL
            tell("stat", **self.figures())
        if self._commands.poll(0):
            raise SourceEnded("server-gone" if read_command() is None else "stopped")

    def _add(self, record: bytes) -> None:
        if self._size + len(record) > MAX_MESSAGE:
            self._flush()
        self._records.append(record)
        self._size += len(record)

    def _flush(self) -> None:
        records, self._records, self._size = self._records, [], 0
        self._send(records)

    def _send(self, records: list[bytes]) -> None:
        """It waits while the server is behind: the source then is, too."""
        if records:
            self._packets += len(records)
            message = b"".join(records)
            self._bytes += len(message)
            try:
                self._feed.send(message)
            except OSError:
                raise SourceEnded("server-gone") from None

    def finish(self) -> None:
        """Nothing more comes."""
        try:
            self._send([end_record(time.monotonic())])
        except SourceEnded:
            return


def why_of(error: av.FFmpegError) -> str:
    """A word for what FFmpeg says; its own words may hold the address."""
    match error:
        case av.error.HTTPNotFoundError():
            return "not-found"
        case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
            return "unauthorized"
        case av.error.ExitError() | TimeoutError():
            return "silent"
        case av.error.EOFError():
            return "ended"
        case av.error.InvalidDataError() | av.error.DemuxerNotFoundError() | av.error.ProtocolNotFoundError():
            return "wrong-format"
        case OSError():
            return "unreachable"
        case _:
            return "wrong-format"


def enter_sandbox(job: dict[str, Any]) -> dict[str, str]:
    """With the network that the job says: any, the server alone, or, for a file, none. What was refused, and why."""
    refused = {}
    if job["ports"]:
        try:
            isolate(job["channel"], job["ports"])
        except OSError as error:
            refused["isolation"] = str(error)
    is_file = job.get("file") is not None
    files = (job["ca_file"],) if job["ca_file"] else ()
    memory = TRANSCODING_MEMORY if job["transcode"] else MEMORY
    return refused | enter(LIMIT_FILES, has_network=not is_file, looks_up=not is_file, files=files, memory=memory)


def main() -> None:
    """Run as a process of the server."""
    leave_signals_to_server()
    job = read_job()
    capture = CaptureProgram(job)
    refused = enter_sandbox(job)
    tell("ready", refused=refused)
    why = "not-isolated" if "isolation" in refused and job["needs_isolation"] else capture.run()
    capture.finish()
    tell("done", why=why, **capture.figures())


if __name__ == "__main__":
    main()

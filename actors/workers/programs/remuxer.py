"""The worker that turns a finished Matroska file of H264 into an MP4, which browsers play. Nothing is decoded.

The job has the numbers of two descriptors, `source` and `target`, and `max_bytes` that the target may have. PyAV does
the work: this program, and no other, imports it.
"""

import errno
import os
import time
from typing import Any, Final

import av
import av.subtitles.stream  # else it would be imported late, when no file can be read any more

from actors.workers.programs.common.control import leave_signals_to_server, read_job, tell
from actors.workers.programs.common.sandbox import enter

STAT_INTERVAL: Final = 5.0
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def remux(job: dict[str, Any]) -> int:
    """Copy every packet; how many there were. The target's index comes last, so it is written in one pass."""
    packets, stat_at = 0, time.monotonic() + STAT_INTERVAL
    with os.fdopen(job["source"], "rb") as read, os.fdopen(job["target"], "w+b") as written:
        with av.open(read, "r") as source, av.open(written, "w", format="mp4") as target:
            streams = {each.index: target.add_stream_from_template(each, opaque=True) for each in source.streams}
            last = dict.fromkeys(streams, -(1 << 62))
            for packet in source.demux():
                index = packet.stream.index
                if packet.size and packet.pts is not None:
                    # Recorders write no picture before one that it needs. FFmpeg guesses otherwise, and may not know.
                    packet.pts = packet.dts = last[index] = max(packet.pts, last[index] + 1)
                    packet.stream = streams[index]
                    target.mux(packet)
                    packets += 1
                if time.monotonic() >= stat_at:
                    stat_at = time.monotonic() + STAT_INTERVAL
                    tell("stat", packets=packets)
    return packets


def main() -> None:
    """Run as a process of the server."""
    leave_signals_to_server()
    job = read_job()
    tell("ready", refused=enter(job["max_bytes"]))
    try:
        tell("done", why="ended", packets=remux(job))
    except OSError as error:  # among them most of what FFmpeg raises
        tell("done", why="disk-full" if error.errno in _FULL else "failed")
    except av.FFmpegError:
        tell("done", why="failed")


if __name__ == "__main__":
    main()

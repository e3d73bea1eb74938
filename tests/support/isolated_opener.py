"""A worker that opens whatever it is told to, with FFmpeg, cut off from every network but its own.

Its job is the first line on standard input: `channel`, `ports`, `uris`. It prints one JSON line for each URI: how many
bytes of media came, or the name of the error; or, where the system permits no namespaces, `null` alone.
"""

import json
import sys
from typing import Any, Final

import av

from actors.workers.programs.isolation import isolate

PROTOCOLS: Final = "rtsp,rtsps,rtmp,rtmps,http,https,tls,tcp,udp,rtp,crypto"


def opened(uri: str) -> int | str:
    options = {"rtsp_transport": "tcp", "protocol_whitelist": PROTOCOLS}
    try:
        with av.open(uri, "r", options=options, timeout=(5, 5)) as container:
            return sum(packet.size for packet in container.demux())
    except (av.FFmpegError, OSError, ValueError) as error:
        return type(error).__name__


def main() -> None:
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    try:
        isolate(job["channel"], job["ports"])
    except OSError:
        print("null", flush=True)
        return
    for uri in job["uris"]:
        print(json.dumps(opened(uri)), flush=True)


if __name__ == "__main__":
    main()

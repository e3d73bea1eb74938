"""A worker that opens whatever it is told to, as captures do, cut off from every network but its own.

Its job is the first line on standard input: `channel`, `ports`, `uris`. It prints one JSON line for each URI: how many
bytes of media came, or the name of the error; or, where the system permits no namespaces, `null` alone.
"""

import json
import sys
import time
from typing import Any, Final

import av

from actors.workers.programs.capturing.http_files import OPTIONS, FileUnavailable, HttpFiles, trust
from actors.workers.programs.common.isolation import isolate

CONTEXT: Final = trust(None, verify=True)
PROTOCOLS: Final = "rtsp,rtsps,rtmp,rtmps,http,https,tls,tcp,udp,rtp,crypto"


def opened(uri: str) -> int | str:
    options = {"rtsp_transport": "tcp", "protocol_whitelist": PROTOCOLS}
    is_http, deadline = uri.startswith("http"), time.monotonic() + 60
    files = HttpFiles(CONTEXT, lambda: deadline)
    options |= OPTIONS if is_http else {}
    try:
        with av.open(uri, "r", options=options, timeout=(60, 60), io_open=files.open if is_http else None) as container:
            return sum(packet.size for packet in container.demux())
    except (av.FFmpegError, FileUnavailable, OSError, ValueError) as error:
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

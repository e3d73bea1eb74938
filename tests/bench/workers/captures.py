"""How many captures a machine carries, and what each costs: `python -m tests.bench.workers.captures [--captures 25]`.

A GStreamer RTSP server (one process for all) serves 320x180 at 25 pictures a second; the captures begin one after the
other until so many run, or one is refused. Shown is processor time as a share of one core over `--seconds`, by process:
each capture's, the server's, and the source's, which costs as much as they do.
"""

import argparse
import os
import tempfile
from http import HTTPStatus
from pathlib import Path

import trio

from tests.bench.workers.worker_starts import memory_of, processor_time
from tests.support.capture.rtsp_source import Camera, make_media, rtsp_source
from tests.support.servers.full_server import FullServer, full_server

SETTLING = 6.0
"""Seconds after the last one has begun."""


async def begin(server: FullServer, camera: Camera, wanted: int) -> list[int]:
    """The processes of the captures that began."""
    for number in range(wanted):
        uri = f"{camera.url}?n={number}"
        answer = await server.rest.post("/rest-api/rtsp/startup", json={"uri": uri, "toStream": f"n{number}"})
        if answer.status_code != HTTPStatus.OK:
            print(f"the next one is refused: {answer.json()['reason']}")
            break
    feeds = [capture._feed for capture in server.server.parts.captures._captures]
    return [feed._worker.pid or 0 for feed in feeds if feed is not None and feed._worker is not None]


async def measure(server: FullServer, camera: Camera, wanted: int, seconds: float) -> None:
    pids = await begin(server, camera, wanted)
    await trio.sleep(SETTLING)
    watched = {"captures": pids, "the server": [os.getpid()], "the source": [camera.process.pid]}
    before = {name: sum(map(processor_time, each)) for name, each in watched.items()}
    await trio.sleep(seconds)
    shares = {name: (sum(map(processor_time, each)) - before[name]) / seconds / 10 for name, each in watched.items()}
    memory = sum(memory_of(pid)["Pss"] for pid in pids) / len(pids)
    print(
        f"{len(pids)} captures: {shares['captures'] / len(pids):.1f} % of a core each, {memory:.0f} MB (PSS) each; ",
        end="",
    )
    print(", ".join(f"{name} {share:.0f} %" for name, share in shares.items()), "of a core")
    statistics = await server.statistics()
    print(f"lost and connected again: {statistics['captures_reconnects']}, load: {os.getloadavg()[0]:.1f}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captures", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--sound", choices=["opus", "aac"], default="opus")
    parser.add_argument("--max-load", type=int, default=50, help="capture.max_load, in percent")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        media = make_media(Path(folder) / "cam.mkv", audio=wanted.sound, seconds=int(wanted.seconds + 120))
        settings = {"capture_max_running": wanted.captures, "capture_max_load": wanted.max_load}
        with rtsp_source(media) as camera:
            async with full_server(Path(folder), **settings) as server:
                await measure(server, camera, wanted.captures, wanted.seconds)


if __name__ == "__main__":
    trio.run(main)

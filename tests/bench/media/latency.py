"""How late a picture is: from the moment in which its source sends it to that in which a viewer has its last packet.

    python -m tests.bench.media.latency [--seconds 10]

By UDP, by TCP (ICE-TCP), and of a capture: H264 is published by RTMP to nginx, in real time, and captured from there.
Camera, encoder, decoder and screen are not in it; peers, server and nginx share the machine.
"""

import argparse
import statistics
import tempfile
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import trio
from attrs import define, field

from tests.support.capture.rtsp_source import make_media
from tests.support.media.media_rig import media_rig
from tests.support.servers.full_server import full_server
from tests.support.session.wcs_client import wcs_client
from tests.support.webrtc.h264_peer import h264_peer
from tests.support.webrtc.media_peer import MediaPeer, Received, vp8_delta, vp8_key_frame
from tests.support.workers.rtmp_server import rtmp_server

TAIL = 24
"""Bytes at the end of a picture's last packet, by which it is known again."""
RATE = 30


class Arrivals(list[Received]):
    """What a viewer has received, and when each picture was whole."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[bytes, float] = {}

    def append(self, packet: Received) -> None:
        super().append(packet)
        self.times.setdefault(packet.payload[-TAIL:], time.monotonic())


@define(eq=False)
class Sent:
    """When each picture was sent, by its tail."""

    times: dict[bytes, float] = field(factory=dict)
    stopped: threading.Event = field(factory=threading.Event)

    def note(self, data: bytes) -> None:
        self.times[data[-TAIL:]] = time.monotonic()


def watch(peer: MediaPeer) -> Arrivals:
    arrivals = Arrivals()
    peer.received = arrivals
    return arrivals


def show(title: str, sent: Sent, seen: Arrivals) -> None:
    late = sorted((seen.times[tail] - at) * 1000 for tail, at in sent.times.items() if tail in seen.times)
    middle, most = statistics.median(late), late[int(len(late) * 0.95)]
    print(f"{title:28} {len(late):4} pictures, p50 {middle:6.1f} ms, p95 {most:6.1f} ms")


async def direct(title: str, seconds: float, *, by_tcp: bool) -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False, over_tcp=by_tcp)
        sent, seen = Sent(), watch(viewer.peer)
        for number in range(int(seconds * RATE)):
            content = number.to_bytes(TAIL, "big")
            data = (vp8_delta if number else vp8_key_frame)(bytes(1000) + content)
            sent.note(content)
            published.peer.send(published.peer.rtp(number, data, marker=True, timestamp=number * 3000))
            await trio.sleep(1 / RATE)
        show(title, sent, seen)


def push(file: Path, url: str, sent: Sent) -> None:
    """Publish a file by RTMP, at the speed at which it plays."""
    with av.open(str(file)) as source, av.open(url, "w", format="flv", timeout=20) as target:
        stream = source.streams.video[0]
        copied, began = target.add_stream_from_template(stream), time.monotonic()
        for packet in source.demux(stream):
            if packet.dts is None or packet.time_base is None:
                continue
            if sent.stopped.wait(max(0.0, float(packet.dts * Fraction(packet.time_base)) - (time.monotonic() - began))):
                return
            packet.stream = copied
            sent.note(bytes(packet))
            target.mux(packet)


async def captured(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, sent = Path(name), Sent()
        media = make_media(folder / "news.mp4", audio=None, seconds=int(seconds + 20))
        async with full_server(folder) as server, wcs_client(server.ws_url()) as client:
            with rtmp_server(folder) as source:
                uri = f"{source.url}/news"
                pushing = threading.Thread(target=push, args=(media.path, uri, sent))
                pushing.start()
                pulled = {"uri": uri, "localStreamName": "news"}
                (await server.rest.post("/rest-api/pull/rtmp/pull", json=pulled)).raise_for_status()
                peer = h264_peer()
                seen = watch(peer)
                await client.play("news", peer=peer)
                await trio.sleep(2)  # what came at once, with the last key frame, is not live
                sent.times.clear()
                await trio.sleep(seconds)
                sent.stopped.set()
                await trio.to_thread.run_sync(pushing.join)
        show("captured from RTMP", sent, seen)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    seconds = parser.parse_args().seconds
    await direct("by UDP", seconds, by_tcp=False)
    await direct("by TCP", seconds, by_tcp=True)
    await captured(seconds)


if __name__ == "__main__":
    trio.run(main)

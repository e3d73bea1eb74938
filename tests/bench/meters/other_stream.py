"""A stream beside those that a bench is about: a publisher and one viewer, and how long its packets take.

    python -m tests.bench.meters.other_stream WS_URL

Prints a line when media flows. To each line on standard input it answers with one of JSON about the packets since the
last one: how many came, how many are missing, and the delay in milliseconds from the publisher's send to the viewer's
read, both in this process: half of it at most (`p50`), of 99 % (`p99`), and the longest.
"""

import json
import os
import struct
import sys
import time
from collections.abc import Sequence
from typing import Final

import trio
from attrs import define, field

from protocol.webrtc import rtp
from tests.support.session.wcs_client import ClientStream, wcs_client
from tests.support.webrtc.media_peer import MediaPeer, vp8_delta, vp8_key_frame

NAME: Final = "other"
INTERVAL: Final = 0.008
KEY_FRAMES: Final = 250
"""Packets from one key frame to the next."""
FILLER: Final = bytes(900)
SETTLE: Final = 0.2

_STAMP: Final = struct.Struct("!d")


@define(eq=False)
class TimingPeer(MediaPeer):
    """A viewer that keeps how long each packet took, and nothing else."""

    delays: list[float] = field(init=False, factory=list)

    def _take_rtp(self, plain: bytes) -> None:
        now = time.perf_counter()
        body = rtp.payload(plain, rtp.parse_header(plain))
        (sent,) = _STAMP.unpack(body[-_STAMP.size :])
        self.delays.append(now - sent)


async def _send(stream: ClientStream, sent: list[int]) -> None:
    due = trio.current_time()
    while True:
        due += INTERVAL
        await trio.sleep_until(due)
        number = sent[0]
        make = vp8_delta if number % KEY_FRAMES else vp8_key_frame
        stream.peer.send(
            stream.peer.rtp(
                number, make(FILLER + _STAMP.pack(time.perf_counter())), marker=True, timestamp=number * 720
            )
        )
        sent[0] += 1


def summary(delays: Sequence[float], sent: int) -> dict[str, float]:
    """Of the packets that came, of so many that were sent."""
    ordered = sorted(delay * 1000 for delay in delays)
    at = {"p50": 0.5, "p99": 0.99, "most": 1.0}
    return {"came": len(ordered), "missing": sent - len(ordered)} | {
        name: ordered[min(int(len(ordered) * share), len(ordered) - 1)] for name, share in at.items() if ordered
    }


async def main(url: str) -> None:
    """Send until standard input ends."""
    sent = [0]
    viewer = TimingPeer(audio=False)
    async with wcs_client(url) as client, trio.open_nursery() as nursery:
        await client.connect()
        publisher = await client.offer("publishStream", NAME, MediaPeer(audio=False), hasAudio=False)
        nursery.start_soon(publisher.run_peer)
        await publisher.peer.connected.wait()
        nursery.start_soon(_send, publisher, sent)
        await publisher.status("PUBLISHING")
        player = await client.offer("playStream", NAME, viewer, hasAudio=False)
        nursery.start_soon(player.run_peer)
        await viewer.until(lambda: bool(viewer.delays), within=20)
        print("ready", flush=True)
        async with trio.lowlevel.FdStream(os.dup(0)) as commands:
            await _obey(commands, viewer, sent)
        nursery.cancel_scope.cancel()


async def _obey(commands: trio.abc.ReceiveStream, viewer: TimingPeer, sent: list[int]) -> None:
    before = sent[0]
    async for _ in commands:
        until = sent[0]
        await trio.sleep(SETTLE)  # for what is on its way
        count = until - before
        print(json.dumps(summary(viewer.delays[:count], count)), flush=True)
        before, viewer.delays[:] = until, viewer.delays[count:]


if __name__ == "__main__":
    trio.run(main, sys.argv[1])

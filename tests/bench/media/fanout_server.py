"""The process that the fan-out bench measures: a media plane, told what to do by lines of JSON on standard input.

python -m tests.bench.media.fanout_server portable|fast|floor
"""

import gc
import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import trio
from attrs import asdict, evolve

from actors.daemon import SWITCH_INTERVAL
from actors.media.io.sockets import open_media_sockets
from actors.media.plane import MediaPlane
from actors.media.publication import Publication
from actors.media.sending.fast_sender import FastSender, _FastFanOut
from actors.media.sending.sender import FanOut, PacketSender, PortableSender
from config.settings import Settings
from config.values.addresses import AddressPair

TAG = 16  # what AES-GCM adds to a packet
DAY = 86_400.0


class FloorSender(FastSender):
    """The kernel's part of the work: as many packets as large, made once, and `sendmmsg` for 64 at a time."""

    name = "floor"

    def open(self, *, for_node: bool = False) -> FanOut:
        return _FloorFanOut(self._buffers, self._mixed, self.losses, self._queued)


class _FloorFanOut(_FastFanOut):
    _prebuilt = 0

    def send(self, packet: bytes, sequence: int) -> None:
        if self._prebuilt != len(packet):
            self._buffers.fill(packet + bytes(TAG), 64)
            self._prebuilt = len(packet)
        for batches in self._batches.values():
            for batch in batches:
                batch._deliver(0, len(batch.recipients))

    def queue(self, packets: Sequence[bytes], sequence: int) -> None:
        for number, packet in enumerate(packets, sequence):
            self.send(packet, number)


SENDERS: dict[str, Callable[[], PacketSender]] = {
    "portable": PortableSender,
    "fast": FastSender,
    "floor": FloorSender,
}


class Commands:
    """What the bench may ask."""

    def __init__(self, plane: MediaPlane) -> None:
        self._plane = plane
        self._publication: Publication | None = None

    def publish(self, offer: str) -> str:
        ingest = self._plane.publish(offer, session_id="publisher", post=lambda event: None)
        self._publication = ingest.publication
        return ingest.answer

    def play(self, offer: str, session: str) -> str:
        assert self._publication is not None
        return self._plane.play(offer, self._publication, session_id=session, post=lambda event: None).answer

    def statistics(self) -> dict[str, int | str]:
        return asdict(self._plane.statistics())

    def collect(self) -> None:
        """As the server does once it has started."""
        gc.collect()
        gc.freeze()

    def be_busy(self) -> None:
        """Start a thread that computes and never rests."""
        threading.Thread(target=_compute, daemon=True).start()


def _compute() -> None:
    number = 0
    while True:
        number += 1


async def main(sender: str) -> None:
    """Serve until standard input ends."""
    pair = (AddressPair("127.0.0.1"),)
    settings = evolve(Settings(ip=pair, media_port_from=0), ice_keep_alive_timeout=DAY, max_handshakes=100_000)
    plane = MediaPlane(open_media_sockets(settings), settings, sender=SENDERS[sender]())
    commands = Commands(plane)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(plane.run)
        async with trio.lowlevel.FdStream(os.dup(0)) as stream:
            rest = b""
            async for piece in stream:
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    request: dict[str, Any] = json.loads(line)
                    answer = getattr(commands, request.pop("do"))(**request)
                    print(json.dumps(answer), flush=True)
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_INTERVAL)
    trio.run(main, sys.argv[1])

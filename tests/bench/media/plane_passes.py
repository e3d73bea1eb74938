"""What a pass of the media plane costs, in one process: reading, forwarding and sending, the kernel included.

    python -m tests.bench.media.plane_passes                20 publishers with 2 viewers each, 3 pictures in a pass
    python -m tests.bench.media.plane_passes --cold         the processor's caches have other contents before each
    python -m tests.bench.media.plane_passes --huge-pages   memory is in huge pages (`actors/runtime/huge_pages.py`)
    python -m tests.bench.media.plane_passes --count        calls of Python's functions and instructions of its machine

Real sockets, DTLS and SRTP; the plane's clock is moved by hand, so that as many reports and as much feedback are due as
in real time. It says less than `peers`, for nothing sleeps or wakes up here, but other work on the machine disturbs it
less. To compare two versions run them in turn, several times, each in the root of its checkout.
"""

import argparse
import contextlib
import math
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from types import CodeType, FrameType
from typing import Any

import trio

from actors.daemon import configure_gc
from actors.media.sending.fast_sender import FastSender
from actors.runtime import huge_pages
from actors.runtime.loop_clock import LoopClock
from protocol.webrtc.dtls import DtlsContext
from tests.bench.media.fanout_audience import load
from tests.bench.media.peers import clip
from tests.support.media.media_rig import Played, Published, Rig, media_rig

PASS_SECONDS = 0.002
"""Seconds of the plane's clock for each picture of a pass: twenty publishers send one every 2 ms."""
LARGEST = 2048
_FLUSHED = 24 << 20  # bytes; more than the caches that belong to one core


class Source:
    """Real time, until it is stopped."""

    def __init__(self) -> None:
        self.stopped_at = math.inf

    def __call__(self) -> float:
        return min(time.monotonic(), self.stopped_at)


class Counts:
    """Calls of Python's functions, and instructions of its machine."""

    def __init__(self) -> None:
        self.calls: Counter[CodeType] = Counter()
        self.steps: Counter[CodeType] = Counter()

    def trace(self, frame: FrameType, event: str, _: object) -> Any:
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if event == "call":
            self.calls[frame.f_code] += 1
        elif event == "opcode":
            self.steps[frame.f_code] += 1
        return self.trace

    def table(self, passes: int) -> str:
        rows = [f"a pass: {self.calls.total() / passes:.0f} calls, {self.steps.total() / passes:.0f} instructions"]
        for code, steps in self.steps.most_common(40):
            rows.append(f"{steps / passes:8.1f} {self.calls[code] / passes:6.2f} {code.co_qualname}")
        return "\n".join(rows)


async def main(options: argparse.Namespace, clock: Source) -> None:
    """Connect all, then measure."""
    async with media_rig(sender=FastSender()) as rig:
        published, played = await _connect(rig, options)
        passes = _passes(published, options)
        configure_gc()
        if options.huge_pages:
            for place in huge_pages._used():
                huge_pages.collapse(place)
        clock.stopped_at = clock()
        costs, counts = _measure(rig, played, passes, options, clock)
        clock.stopped_at = math.inf
        rig.nursery.cancel_scope.cancel()
    deciles = statistics.quantiles(costs, n=10)
    print(f"processor time of a pass in us: least tenth {deciles[0]:.0f}, median {deciles[4]:.0f}; load {load():.1f}")
    if options.count:
        print(counts.table(len(costs)))


async def _connect(rig: Rig, options: argparse.Namespace) -> tuple[list[Published], list[Played]]:
    context = DtlsContext.create()
    published, played = list[Published](), list[Played]()
    for number in range(options.publishers):
        publisher = await rig.publish(session_id=f"p{number}", audio=False, rtx_type=None, context=context)
        published.append(publisher)
        for seat in range(options.viewers):
            name = f"v{number}.{seat}"
            played.append(
                await rig.play(publisher.publication, session_id=name, audio=False, rtx_type=None, context=context)
            )
        for packet in _picture(publisher, 0):
            publisher.peer.send(packet)
    await trio.sleep(0.5)
    return published, played


def _picture(publisher: Published, number: int) -> list[bytes]:
    first, peer = number * clip.PACKETS_PER_FRAME, publisher.peer
    return [
        peer.rtp(
            index,
            clip.payload(index, key=not number),
            timestamp=clip.rtp_timestamp(index),
            marker=clip.ends_frame(index),
        )
        for index in range(first, first + clip.PACKETS_PER_FRAME)
    ]


Pass = list[tuple[Published, list[bytes]]]


def _passes(published: Sequence[Published], options: argparse.Namespace) -> list[Pass]:
    """What comes before each pass: pictures of the publishers in turn."""
    pictures = iter(
        (publisher, _picture(publisher, number))
        for number in range(1, 2 + options.passes * options.pictures // len(published))
        for publisher in published
    )
    return [[next(pictures) for _ in range(options.pictures)] for _ in range(options.passes)]


def _measure(
    rig: Rig, played: Sequence[Played], passes: Sequence[Pass], options: argparse.Namespace, clock: Source
) -> tuple[list[float], Counts]:
    plane, costs, counts, other = rig.plane, list[float](), Counts(), bytearray(_FLUSHED)
    (receiver,) = plane._receivers
    for number, pictures in enumerate(passes):
        for publisher, packets in pictures:
            for packet in packets:
                publisher.peer.send(packet)
        clock.stopped_at += PASS_SECONDS * len(pictures)
        if options.cold:
            other.translate(bytes(range(256)))
        if options.count:
            sys.settrace(counts.trace)
        began = time.thread_time()
        plane._drain(receiver)
        plane._end_pass()
        costs.append((time.thread_time() - began) * 1e6)
        sys.settrace(None)
        if not number % 10:
            _empty(played)
    return costs, counts


def _empty(played: Sequence[Played]) -> None:
    for viewer in played:
        with contextlib.suppress(BlockingIOError):
            while True:
                viewer.peer.udp.recv(LARGEST)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.media.plane_passes", description="passes of the media plane"
    )
    parser.add_argument("--publishers", type=int, default=20)
    parser.add_argument("--viewers", type=int, default=2, help="of each publisher (2)")
    parser.add_argument("--pictures", type=int, default=3, help="that come before a pass, of five packets each (3)")
    parser.add_argument("--passes", type=int, default=500)
    parser.add_argument("--cold", action="store_true", help="caches have other contents before each pass")
    parser.add_argument("--huge-pages", action="store_true", help="memory is in huge pages")
    parser.add_argument("--count", action="store_true", help="what is run, instead of how long it takes")
    return parser.parse_args()


if __name__ == "__main__":
    source = Source()
    trio.run(main, _options(), source, clock=LoopClock(source))

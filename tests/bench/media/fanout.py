"""What it costs to forward a packet: processor time of the server for each viewer's copy, beside the kernel's part.

    python -m tests.bench.media.fanout [--sender portable --sender fast] [--viewers N ...] [--pin] [--quick]

For each number of viewers one server process for each sender runs at the same time as the others; short stretches of
measuring go round them in turn, so that whatever else the machine does hits all alike. Medians are shown, with the
least and the most. Senders:

    floor       `sendmmsg` of packets made before, without SRTP: the kernel, and the media plane around the sender
    fast        the sender that the server chooses by itself on Linux
    portable    pylibsrtp's Session.protect and one sendto for each packet

All figures hold everything that the server does: receiving, decrypting, feedback to the publisher, its loop. The
receive half of loopback is charged to the server, too. The delay is from the publisher's clock to the kernel's stamp at
the viewer. Loopback only; it ends by itself.
"""

import argparse
import signal
import statistics
from collections.abc import Iterator, Sequence

import psutil
from attrs import define, field

from tests.bench.media.fanout_audience import Audience, Server, Window, allow_many_sockets, load
from tests.bench.media.fanout_server import SENDERS

RATES = {10: 200, 100: 200, 300: 200, 1000: 100}
"""Viewers -> packets a second of the publisher."""

OTHER_RATE = 100
TARGETS = {300: 1.6, 1000: 1.9}
"""Viewers -> the most that `fast` may cost, in costs of `floor`."""

FIRST, LAST = 0, (psutil.cpu_count() or 1) - 1
"""Processors, for `--pin`."""

TIME_LIMIT = 15 * 60  # seconds
HEAD = f"{'viewers':>7} {'pps in':>6} {'sender':<9} {'us/packet':>9} {'least':>6} {'most':>6} {'x floor':>7}"
HEAD += f" {'KiB/viewer':>10} {'p50 ms':>7} {'p99 ms':>7} {'lost':>6} {'load':>5}"


@define(eq=False)
class Row:
    """All windows of one sender before one audience."""

    audience: Audience
    windows: list[Window] = field(factory=list)
    loads: list[float] = field(factory=list)

    @property
    def sender(self) -> str:
        return self.audience.server.sender

    @property
    def cost(self) -> float:
        return statistics.median(window.cost for window in self.windows)

    def text(self, floor: float | None, rate: int) -> str:
        costs = [window.cost for window in self.windows]
        delays = sorted(delay for window in self.windows for delay in window.delays)
        ratio = f"{self.cost / floor:7.2f}" if floor else f"{'':7}"
        shown = f"{self.audience.viewers:>7} {rate:>6} {self.sender:<9} {self.cost:9.2f} {min(costs):6.2f}"
        shown += f" {max(costs):6.2f} {ratio} {self.audience.memory_per_viewer / 1024:10.0f}"
        shown += f" {_delay(delays, 0.5)} {_delay(delays, 0.99)} {sum(window.lost for window in self.windows):>6}"
        return f"{shown} {statistics.median(self.loads):5.1f}"


def main() -> None:
    """Measure what the command line asks for, and print it."""
    arguments = _arguments()
    allow_many_sockets()
    if arguments.pin:
        psutil.Process().cpu_affinity([FIRST])
    signal.alarm(TIME_LIMIT)
    print(f"AES-128-GCM, 1200 bytes of RTP; load before: {load():.1f}\n{HEAD}", flush=True)
    for viewers in arguments.viewers:
        rate = RATES.get(viewers, OTHER_RATE)
        for line in _compare(arguments, viewers, rate):
            print(line, flush=True)
    if arguments.saturate:
        print(_saturate(arguments), flush=True)
    if arguments.convoy:
        for line in _convoy(arguments):
            print(line, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.media.fanout")
    parser.add_argument("--sender", action="append", choices=list(SENDERS), help="default: all")
    parser.add_argument("--viewers", type=int, nargs="+", default=list(RATES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of one stretch of measuring")
    parser.add_argument("--pin", action="store_true", help="servers on the last processor, the rest on the first")
    parser.add_argument("--saturate", action="store_true", help="also: 250,000 packets a second to 1,000 viewers")
    parser.add_argument("--convoy", action="store_true", help="also: the delay beside a thread that computes")
    parser.add_argument("--quick", action="store_true", help="one short round")
    arguments = parser.parse_args()
    arguments.sender = arguments.sender or list(SENDERS)
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 0.5
    return arguments


def _open(sender: str, viewers: int, *, pin: bool) -> Audience:
    return Audience(Server(sender, cpu=LAST if pin else None), viewers)


def _compare(arguments: argparse.Namespace, viewers: int, rate: int) -> Iterator[str]:
    rows = [Row(_open(sender, viewers, pin=arguments.pin)) for sender in arguments.sender]
    try:
        for _ in range(arguments.rounds):
            for row in rows:
                row.windows.append(row.audience.measure(packets=int(rate * arguments.seconds), rate=rate))
                row.loads.append(load())
    finally:
        for row in rows:
            row.audience.close()
    floor = next((row.cost for row in rows if row.sender == "floor"), None)
    yield from (row.text(floor, rate) for row in rows)
    fast = next((row.cost for row in rows if row.sender == "fast"), None)
    if fast and floor and viewers in TARGETS:
        met = "met" if fast / floor <= TARGETS[viewers] else "MISSED"
        yield f"{'':7} target: fast at most {TARGETS[viewers]} x floor: {met}"


def _saturate(arguments: argparse.Namespace) -> str:
    audience = _open("fast", 1000, pin=arguments.pin)
    try:
        window = audience.measure(packets=int(250 * arguments.seconds * 2), rate=250)
        dropped = audience.server.ask("statistics")
    finally:
        audience.close()
    rate = window.forwarded / window.wall
    return (
        f"fast, 1000 viewers: {rate:,.0f} packets/s on {window.cpu / window.wall:.0%} of a core, {window.lost} lost "
        f"(dropped on sending {dropped['forward_dropped']}, on receiving {dropped['kernel_drops']}), "
        f"p99 {window.delays[int(len(window.delays) * 0.99)] * 1000:.1f} ms, load {load():.1f}"
    )


def _convoy(arguments: argparse.Namespace) -> Iterator[str]:
    audience = _open("fast", 100, pin=arguments.pin)
    try:
        for what in ("alone", "beside a busy thread"):
            delays = audience.measure(packets=int(50 * arguments.seconds), rate=50).delays
            yield (
                f"fast, 100 viewers, {what}: p50 {_delay(delays, 0.5)} ms, p99 {_delay(delays, 0.99)} ms, "
                f"worst {delays[-1] * 1000:.2f} ms, load {load():.1f}"
            )
            audience.server.ask("be_busy")
    finally:
        audience.close()


def _delay(delays: Sequence[float], share: float) -> str:
    """In milliseconds; empty where nobody decrypts."""
    return f"{delays[int(len(delays) * share)] * 1000:7.2f}" if delays else f"{'':7}"


if __name__ == "__main__":
    main()

"""The senders alone, in one process: what one packet to one viewer costs, without receiving and without a loop around.

    python -m tests.bench.media.sender_loop [VIEWERS ...]

It says less than `fanout`, but other work on the machine disturbs it less. Each viewer has a socket of its own, which
is emptied between two measurements. Processor time of the process in ns, the least and the median of many rounds.
"""

import contextlib
import itertools
import socket
import statistics
import sys
import time

from actors.media.sending.sender import FanOut, Recipient
from protocol.webrtc.srtp import SrtpProfile, SrtpTransmitter
from tests.bench.media.fanout_audience import allow_many_sockets, count_datagrams, load
from tests.bench.media.fanout_server import SENDERS
from tests.support.media.fan_out_rig import keys_of, open_socket, rtp_packet

ROUNDS = 25
PACKETS = 5  # in one round
SIZE = 1200


def main() -> None:
    """Measure before each number of viewers of the command line."""
    allow_many_sockets()
    print(f"{'viewers':>7} {'profile':<18} {'sender':<9} {'least':>6} {'median':>6} {'x floor':>7}   load {load():.1f}")
    for viewers in map(int, sys.argv[1:] or (1, 10, 100, 300, 1000)):
        for profile in SrtpProfile:
            measured = _measure(viewers, profile)
            floor = statistics.median(measured["floor"])
            for sender, costs in measured.items():
                median = statistics.median(costs)
                shown = f"{viewers:>7} {profile.name:<18} {sender:<9} {min(costs):6.0f} {median:6.0f}"
                print(f"{shown} {median / floor:7.2f}", flush=True)


def _measure(viewers: int, profile: SrtpProfile) -> dict[str, list[float]]:
    """Sender -> the cost of each round."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(open_socket())
        sinks = [stack.enter_context(open_socket()) for _ in range(viewers)]
        fan_outs = {name: _fan_out(name, server, sinks, profile) for name in SENDERS}
        measured: dict[str, list[float]] = {name: [] for name in SENDERS}
        sequences = itertools.count(1)
        for _ in range(ROUNDS):
            for name, fan_out in fan_outs.items():
                packets = [(rtp_packet(sequence, SIZE), sequence) for sequence in itertools.islice(sequences, PACKETS)]
                measured[name].append(_round(fan_out, packets) / viewers)
                for sink in sinks:
                    count_datagrams(sink.fileno())
        return measured


def _round(fan_out: FanOut, packets: list[tuple[bytes, int]]) -> float:
    began = time.process_time_ns()
    for packet, sequence in packets:
        fan_out.send(packet, sequence)
    return (time.process_time_ns() - began) / len(packets)


def _fan_out(name: str, server: socket.socket, sinks: list[socket.socket], profile: SrtpProfile) -> FanOut:
    fan_out = SENDERS[name]().open()
    for number, sink in enumerate(sinks):
        transmitter = SrtpTransmitter(keys_of(number, profile))
        fan_out.add(Recipient(transmitter=transmitter, socket=server, address=sink.getsockname(), start=0))
    return fan_out


if __name__ == "__main__":
    main()

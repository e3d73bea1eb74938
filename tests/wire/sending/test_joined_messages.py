"""What other nodes get of many streams leaves joined, and arrives as if each packet had been sent alone."""

import errno
import random
from collections import Counter
from typing import Any

import pytest
from attrs import evolve

from actors.media.sending import sendmmsg as kernel_calls
from actors.media.sending.fast_sender import FastSender
from actors.media.sending.sender import FanOut, Losses, PacketSender, PortableSender, Recipient
from protocol.webrtc.srtp import SrtpProfile
from tests.support.media.fan_out_filling import FAMILIES
from tests.support.media.fan_out_rig import Viewers, rtp_packet

STREAMS = 8
NODES = 3


class Kernel:
    """`sendmmsg`, which counts, and refuses what it is to refuse."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.counts: Counter[str] = Counter()
        self.refused = 0
        self.refusal = 0
        """The error of messages with more than one packet."""
        self.is_full = False
        self._sendmmsg = kernel_calls.sendmmsg
        monkeypatch.setattr(kernel_calls, "sendmmsg", self.sendmmsg)

    def sendmmsg(self, descriptor: int, messages: Any, count: int, flags: int) -> int:
        refusal = errno.EAGAIN if self.is_full else self.refusal * bool(messages[0].msg_hdr.msg_controllen)
        if refusal:
            self.refused += 1
            kernel_calls.ffi.errno = refusal
            return -1
        self.counts["calls"] += 1
        self.counts["messages"] += count
        return int(self._sendmmsg(descriptor, messages, count, flags))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


def opened(sender: PacketSender, *recipients: Recipient) -> FanOut:
    """A stream for these nodes."""
    fan_out = sender.open(for_node=True)
    for recipient in recipients:
        fan_out.add(recipient)
    return fan_out


def play(sender: PacketSender, viewers: Viewers, seed: int, *, bad: bool) -> tuple[list[bytes], list[tuple[int, int]]]:
    """Each stream goes to nodes, and to viewers here; what arrived, sorted, and what was counted for each."""
    chance, recipients, fan_outs = random.Random(seed), list[Recipient](), list[FanOut]()
    for number in range(2 * STREAMS):
        fan_out = sender.open(for_node=number % 2 == 0)
        for seat in range(NODES):
            who = number * NODES + seat
            profile = list(SrtpProfile)[who % 2 if number % 4 else 0]
            recipient = viewers.recipient(who, profile=profile, sound=not (bad and who == 12))
            recipients.append(viewers.refuse(recipient) if bad and who in (0, 37) else recipient)
            fan_out.add(recipient)
        fan_outs.append(fan_out)
    arrived = list[bytes]()
    for round_ in range(3):
        expected = 0
        for number, fan_out in enumerate(fan_outs):
            first, count = 40 * round_, chance.randrange(1, 12)
            sizes = [900, 900, 900, 901, 300, 900 if number == 4 else 1360]  # the largest is sent apart
            packets = [rtp_packet(sequence, chance.choice(sizes)) for sequence in range(first, first + count)]
            fan_out.queue(packets, first)
            expected += count * (NODES - bad * sum(who // NODES == number for who in (0, 12, 37)))
        sender.flush()
        arrived += sorted(viewers.arrived(expected))
    return arrived, [(recipient.dropped, recipient.failed) for recipient in recipients]


@FAMILIES
@pytest.mark.parametrize("bad", [False, True])
def test_it_is_what_the_portable_sender_sends(family: int, bad: bool) -> None:
    with Viewers(family) as viewers:
        portable, fast = PortableSender(), FastSender()
        expected = play(portable, viewers, 7, bad=bad)
        assert play(fast, viewers, 7, bad=bad) == expected
        assert fast.losses == portable.losses


@pytest.mark.parametrize(
    ("sizes", "messages"),
    [
        ([(900, 900), (900,), (900, 900, 900)], 1),
        ([(900, 400), (900, 900)], 2),  # a message ends with the first packet that is shorter
        ([(900,) * 8, (901,) * 8, (900,) * 8], 2),  # streams may overtake each other
        ([(900, 901), (899, 900)], 4),  # but not themselves
    ],
)
def test_packets_of_one_size_for_one_node_are_one_message(
    kernel: Kernel, sizes: list[tuple[int, ...]], messages: int
) -> None:
    with Viewers(sinks=1) as viewers, Viewers(sinks=1) as others:
        sender = FastSender()
        for number, burst in enumerate(sizes):
            there = viewers.recipient(number), viewers.recipient(number + len(sizes))
            fan_out = opened(sender, there[0], evolve(there[1], address=others.address()))
            fan_out.queue([rtp_packet(sequence, size) for sequence, size in enumerate(burst)], 0)
        assert not kernel.counts, "nothing leaves before it has to"
        sender.flush()
        for first, each in ((0, viewers), (len(sizes), others)):
            came = each.arrived(sum(map(len, sizes)))
            for number, burst in enumerate(sizes, first):
                own = [
                    packet for packet, who in zip(came, each.who(came, 2 * len(sizes)), strict=True) if who == number
                ]
                assert [packet[3] for packet in own] == list(range(len(burst)))
        assert kernel.counts == {"calls": 1, "messages": 2 * messages}


def test_no_message_is_larger_than_a_datagram(kernel: Kernel) -> None:
    with Viewers(sinks=1) as viewers:
        sender = FastSender()
        for number in range(STREAMS):
            packets = [rtp_packet(sequence, 1300) for sequence in range(8)]
            opened(sender, viewers.recipient(number)).queue(packets, 0)
        sender.flush()
        assert len(viewers.arrived(8 * STREAMS)) == 8 * STREAMS
    assert kernel.counts["messages"] <= 6


def test_where_joined_packets_are_refused_each_leaves_by_itself(kernel: Kernel) -> None:
    """As by a network card that cannot do their checksums."""
    kernel.refusal = errno.EIO
    with Viewers(sinks=1) as viewers:
        sender = FastSender()
        fan_outs = [opened(sender, viewers.recipient(number)) for number in range(5)]
        for round_ in range(2):
            for fan_out in fan_outs:
                fan_out.queue([rtp_packet(round_, 500)], round_)
            sender.flush()
            assert viewers.who(viewers.arrived(5), 5) == [0, 1, 2, 3, 4]
    assert kernel.refused == 1, "it is tried once"
    assert sender.losses == Losses()


def test_what_the_kernel_has_no_room_for_is_counted_for_each_stream(kernel: Kernel) -> None:
    kernel.is_full = True
    with Viewers(sinks=1) as viewers:
        sender, recipients = FastSender(), [viewers.recipient(number) for number in range(3)]
        for number, recipient in enumerate(recipients):
            opened(sender, recipient).queue([rtp_packet(sequence, 500) for sequence in range(number + 1)], 0)
        sender.flush()
        assert not viewers.arrived(0)
    assert [(recipient.dropped, recipient.failed) for recipient in recipients] == [(1, 0), (2, 0), (3, 0)]
    assert sender.losses == Losses(dropped=6)

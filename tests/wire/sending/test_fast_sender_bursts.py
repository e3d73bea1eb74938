"""Packets that are queued together: bursts of one size leave as one message."""

import errno
import random
from typing import Any

import pytest

from actors.media.sending import sendmmsg as kernel_calls
from actors.media.sending.fast_sender import FastSender
from actors.media.sending.packet_buffers import LONGEST_BURST
from actors.media.sending.sender import FanOut, PacketSender, PortableSender
from protocol.webrtc.srtp import SrtpProfile, SrtpReceiver
from tests.support.media.fan_out_filling import COUNTS, FAMILIES, SENDERS, fill, losses
from tests.support.media.fan_out_rig import Viewers, keys_of, rtp_packet

# -- bursts ---------------------------------------------------------------------------------------------------------


def queue(sender: PacketSender, fan_out: FanOut, *sizes: int, start: int = 1) -> list[int]:
    """Queue packets of these sizes in a row, and flush; their sequence numbers."""
    fan_out.queue([rtp_packet(sequence, size) for sequence, size in enumerate(sizes, start)], start)
    sender.flush()
    return list(range(start, start + len(sizes)))


def sequences(packets: list[bytes]) -> list[int]:
    return [int.from_bytes(packet[2:4], "big") for packet in packets]


class Kernel:
    """Counts the messages that `sendmmsg` is given, and refuses those that carry bursts, if it is to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.messages = 0
        self.refusal = 0
        self._sendmmsg = kernel_calls.sendmmsg
        monkeypatch.setattr(kernel_calls, "sendmmsg", self.sendmmsg)

    def sendmmsg(self, descriptor: int, messages: Any, count: int, flags: int) -> int:
        if self.refusal and messages[0].msg_hdr.msg_controllen:
            kernel_calls.ffi.errno = self.refusal
            return -1
        sent: int = self._sendmmsg(descriptor, messages, count, flags)
        self.messages += max(sent, 0)
        return sent


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(monkeypatch)


@FAMILIES
@pytest.mark.parametrize("count", COUNTS)
def test_random_bursts_come_as_the_portable_sender_sends_them(family: int, count: int) -> None:
    chance = random.Random(count)
    profiles = [chance.choice(list(SrtpProfile)) for _ in range(count)]
    sizes = [[chance.choice([12, 500, 999, 1000, 1000]) for _ in range(chance.randrange(1, 12))] for _ in range(12)]
    came = []
    for make in (PortableSender, FastSender):
        with Viewers(family) as viewers:
            sender = make()
            fan_out = sender.open()
            fill(fan_out, [viewers.recipient(number, profile=profile) for number, profile in enumerate(profiles)])
            per_flush = []
            for number, run in enumerate(sizes):
                queue(sender, fan_out, *run, start=20 * number)
                per_flush.append(sorted(viewers.arrived(count * len(run))))
            came.append((per_flush, fan_out.packets, fan_out.octets))
    assert [len(packets) for packets in came[0][0]] == [count * len(run) for run in sizes]
    assert came[0] == came[1]


@SENDERS
@pytest.mark.parametrize("sizes", [(900,) * 20, (900, 900, 500, 900), (500, 900, 900, 901, 902, 12, 12, 13)])
def test_each_viewer_gets_the_packets_in_their_order(make: type[PacketSender], sizes: tuple[int, ...]) -> None:
    with Viewers() as viewers:
        sender = make()
        fan_out = sender.open()
        fill(fan_out, [viewers.recipient(number) for number in range(70)])
        numbers = queue(sender, fan_out, *sizes)
        came = viewers.arrived(70 * len(sizes))
        receivers = {number: SrtpReceiver(keys_of(number, SrtpProfile.AEAD_AES_128_GCM)) for number in range(70)}
        by_owner: dict[int, list[bytes]] = {}
        for packet in came:
            by_owner.setdefault(viewers.owner(packet, receivers), []).append(packet)
        assert [sequences(packets) for packets in by_owner.values()] == [numbers] * 70


@pytest.mark.parametrize(
    ("sizes", "messages"),
    [
        ((900,) * 5, 1),
        ((900, 900, 400), 1),
        ((900, 400, 400), 2),
        ((899, 899, 900, 900, 900), 2),
        ((900,) * (LONGEST_BURST + 1), 2),
        ((400, 900), 2),
    ],
)
@pytest.mark.parametrize("count", [2, 70])
def test_packets_of_one_size_are_one_message(kernel: Kernel, count: int, sizes: tuple[int, ...], messages: int) -> None:
    with Viewers() as viewers:
        sender = FastSender()
        fan_out = sender.open()
        fill(fan_out, [viewers.recipient(number) for number in range(count)])
        queue(sender, fan_out, *sizes)
        assert len(viewers.arrived(count * len(sizes))) == count * len(sizes)
        assert kernel.messages == count * messages


@SENDERS
@pytest.mark.parametrize("bad", [{0}, {1, 13, 69}, set(range(70))])
def test_failures_of_both_kinds_in_a_burst(make: type[PacketSender], bad: set[int]) -> None:
    with Viewers() as viewers:
        sender = make()
        fan_out = sender.open()
        recipients = [viewers.recipient(number, sound=number not in bad) for number in range(70)]
        fill(fan_out, [viewers.refuse(each) if number % 10 == 5 else each for number, each in enumerate(recipients)])
        queue(sender, fan_out, 900, 900, 900, 300)
        good = [number for number in range(70) if number not in bad and number % 10 != 5]
        assert viewers.owners(viewers.arrived(4 * len(good)), 70) == sorted(good * 4)
        assert losses(recipients) == [(0, 0 if number in good else 4) for number in range(70)]
        assert (sender.losses.dropped, sender.losses.failed) == (0, 4 * (70 - len(good)))


@pytest.mark.parametrize(("refusal", "goes_on"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_where_a_run_cannot_go_its_packets_can(kernel: Kernel, refusal: int, goes_on: bool) -> None:
    with Viewers() as viewers:
        sender = FastSender()
        fan_out = sender.open()
        recipients = [viewers.recipient(number) for number in range(3)]
        fill(fan_out, recipients)
        kernel.refusal = refusal
        numbers = queue(sender, fan_out, 900, 900, 300)
        assert sorted(sequences(viewers.arrived(9))) == sorted(numbers * 3)
        assert losses(recipients) == [(0, 0)] * 3
        kernel.refusal = kernel.messages = 0
        queue(sender, fan_out, 900, 900, 300, start=10)
        assert len(viewers.arrived(9)) == 9
        assert kernel.messages == (3 if goes_on else 9)  # EIO: the interface will never do it


def test_a_run_for_which_there_is_no_room_is_dropped(kernel: Kernel) -> None:
    with Viewers() as viewers:
        sender = FastSender()
        fan_out = sender.open()
        recipients = [viewers.recipient(number) for number in range(3)]
        fill(fan_out, recipients)
        kernel.refusal = errno.EAGAIN
        queue(sender, fan_out, 900, 900, 300)
        assert viewers.arrived(0) == []
        assert losses(recipients) == [(3, 0)] * 3


def test_a_kernel_that_knows_no_bursts_gets_packets(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_calls, "knows_segments", lambda: False)
    with Viewers() as viewers:
        sender = FastSender()
        fan_out = sender.open()
        fill(fan_out, [viewers.recipient(number) for number in range(3)])
        queue(sender, fan_out, 900, 900, 300)
        assert len(viewers.arrived(9)) == 9
        assert kernel.messages == 9


@SENDERS
def test_who_leaves_gets_what_was_queued_before_and_who_comes_does_not(make: type[PacketSender]) -> None:
    with Viewers() as viewers:
        sender = make()
        fan_out = sender.open()
        stays, leaves, comes = (viewers.recipient(number) for number in range(3))
        fill(fan_out, [stays, leaves])
        fan_out.queue([rtp_packet(1, 900)], 1)
        fan_out.queue([rtp_packet(2, 900)], 2)
        fan_out.remove(leaves)
        fan_out.queue([rtp_packet(3, 900)], 3)
        comes.start = 4
        fan_out.add(comes)
        fan_out.queue([rtp_packet(4, 900)], 4)
        sender.flush()
        came = viewers.arrived(7)
        owned = zip(viewers.who(came, 3), sequences(came), strict=True)
        assert sorted(owned) == [(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (1, 2), (2, 4)]


@SENDERS
def test_a_packet_that_is_sent_does_not_overtake_the_queue(make: type[PacketSender]) -> None:
    with Viewers() as viewers:
        sender = make()
        fan_out = sender.open()
        fill(fan_out, [viewers.recipient(0)])
        fan_out.queue([rtp_packet(1, 900)], 1)
        fan_out.queue([rtp_packet(2, 900)], 2)
        fan_out.send(rtp_packet(3, 900), 3)
        assert sequences(viewers.arrived(3)) == [1, 2, 3]
        sender.flush()
        assert viewers.arrived(0) == []

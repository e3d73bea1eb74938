"""What many small fan-outs have queued leaves together, and arrives as if each had sent it alone."""

import random
from collections import Counter

import pytest

from actors.media.sending import sendmmsg as kernel_calls
from actors.media.sending.fast_sender import FastSender
from actors.media.sending.mixed_messages import MOST_VIEWERS
from actors.media.sending.sender import PacketSender, PortableSender
from protocol.webrtc.srtp import SrtpProfile
from tests.support.media.fan_out_filling import FAMILIES
from tests.support.media.fan_out_rig import Viewers, rtp_packet

FAN_OUTS = 20
AUDIENCE = 3
AUDIENCES = (MOST_VIEWERS + 1, AUDIENCE, 1)


def play(sender: PacketSender, viewers: Viewers, seed: int, *, bad: bool) -> tuple[list[bytes], list[tuple[int, int]]]:
    """Each fan-out gets packets of its own; what arrived, sorted, and what was counted for each viewer."""
    chance, recipients, fan_outs = random.Random(seed), [], [sender.open() for _ in range(FAN_OUTS)]
    for number, fan_out in enumerate(fan_outs):
        for seat in range(AUDIENCE):
            who = number * AUDIENCE + seat
            profile = list(SrtpProfile)[who % 2 if number % 2 else 0]
            recipient = viewers.recipient(who, profile=profile, sound=not (bad and who == 10))
            recipients.append(viewers.refuse(recipient) if bad and who in (0, 31) else recipient)
            fan_out.add(recipient)
    expected = 0
    for round_ in range(3):
        for number, fan_out in enumerate(fan_outs):
            first, last = 20 * round_, 20 * round_ + chance.randrange(8)
            for start in range(first, last, 5):
                numbers = range(start, min(start + 5, last))
                fan_out.queue([rtp_packet(each, chance.choice([900, 901, 901, 300])) for each in numbers], start)
            expected += (last - first) * (AUDIENCE - bad * sum(who // AUDIENCE == number for who in (0, 10, 31)))
        sender.flush()
    counted = [(recipient.dropped, recipient.failed) for recipient in recipients]
    return sorted(viewers.arrived(expected)), counted


@FAMILIES
@pytest.mark.parametrize("bad", [False, True])
def test_it_is_what_the_portable_sender_sends(family: int, bad: bool) -> None:
    with Viewers(family) as viewers:
        portable, fast = PortableSender(), FastSender()
        expected = play(portable, viewers, 7, bad=bad)
        assert play(fast, viewers, 7, bad=bad) == expected
        assert fast.losses == portable.losses


def test_few_calls_carry_many_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()
    sendmmsg = kernel_calls.sendmmsg

    def count(descriptor: int, messages: object, count: int, flags: int) -> int:
        calls["calls"] += 1
        calls["messages"] += count
        return int(sendmmsg(descriptor, messages, count, flags))

    monkeypatch.setattr(kernel_calls, "sendmmsg", count)
    with Viewers() as viewers:
        sender = FastSender()
        for number in range(20):
            fan_out = sender.open()
            fan_out.add(viewers.recipient(number))
            fan_out.queue([rtp_packet(1, 500)], 1)
        assert not calls, "nothing leaves before it has to"
        sender.flush()
        viewers.arrived(20)
    assert calls == {"calls": 1, "messages": 20}


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_an_error_in_one_fan_out_keeps_nothing_back_of_the_others(monkeypatch: pytest.MonkeyPatch, broken: int) -> None:
    """A call of the kernel each: for a large fan-out at once, then for those of few viewers, then for nodes."""
    sendmmsg, calls = kernel_calls.sendmmsg, Counter[str]()

    def fail_once(descriptor: int, messages: object, count: int, flags: int) -> int:
        calls["calls"] += 1
        if calls["calls"] == broken:
            raise MemoryError
        return int(sendmmsg(descriptor, messages, count, flags))

    monkeypatch.setattr(kernel_calls, "sendmmsg", fail_once)
    with Viewers() as viewers:
        sender, number = FastSender(), 0
        fan_outs = [sender.open(), sender.open(), sender.open(for_node=True)]
        for fan_out, count in zip(fan_outs, AUDIENCES, strict=True):
            for _ in range(count):
                fan_out.add(viewers.recipient(number))
                number += 1
            fan_out.queue([rtp_packet(1, 500), rtp_packet(2, 500)], 1)
        with pytest.raises(MemoryError):
            sender.flush()
        sound = 2 * (number - AUDIENCES[broken - 1])
        assert len(viewers.arrived(sound)) == sound
        sender.flush()
        assert not viewers.arrived(0)
        for fan_out in fan_outs:
            fan_out.queue([rtp_packet(3, 500)], 3)
        sender.flush()
        assert Counter(packet[3] for packet in viewers.arrived(number)) == {3: number}

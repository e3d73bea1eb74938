"""One SSRC with continuous numbers, whatever the packets come from."""

import pytest

from protocol.calls.rewriting import RtpRewriter
from protocol.webrtc.rtp import RtpHeader, parse_header
from tests.support.media.rtp_packets import build_header


def header(sequence: int, timestamp: int, *, ssrc: int = 7, marker: bool = False) -> RtpHeader:
    return parse_header(build_header(payload_type=0, marker=marker, sequence=sequence, timestamp=timestamp, ssrc=ssrc))


class Sent:
    """What a rewriter has made, packet by packet."""

    def __init__(self) -> None:
        self.rewriter = RtpRewriter(ssrc=99, sequence=65_530, timestamp=4_294_967_000)
        self.packets: list[RtpHeader] = []

    def voice(self, incoming: RtpHeader, now: float, *, clock_rate: int = 8_000) -> bool:
        packet = self.rewriter.rewrite(incoming, b"voice", payload_type=8, clock_rate=clock_rate, now=now)
        if packet is not None:
            assert packet[12:] == b"voice"
            self.packets.append(parse_header(packet))
        return packet is not None

    @property
    def steps(self) -> list[tuple[int, int]]:
        pairs = zip(self.packets, self.packets[1:], strict=False)
        return [((b.sequence - a.sequence) & 0xFFFF, (b.timestamp - a.timestamp) & 0xFFFFFFFF) for a, b in pairs]


def test_a_source_keeps_its_numbers_steps_over_both_wraps() -> None:
    sent = Sent()
    for index in range(20):
        sent.voice(header(65_528 + index & 0xFFFF, 4_294_966_000 + 160 * index & 0xFFFFFFFF), index * 0.02)
    assert {packet.ssrc for packet in sent.packets} == {99}
    assert {packet.payload_type for packet in sent.packets} == {8}
    assert sent.steps == [(1, 160)] * 19
    assert [packet.marker for packet in sent.packets] == [True] + [False] * 19


def test_losses_and_reordering_stay_visible() -> None:
    sent = Sent()
    for sequence in (10, 11, 14, 13, 15):
        sent.voice(header(sequence, 160 * sequence), sequence * 0.02)
    assert sent.steps == [(1, 160), (3, 480), (0xFFFF, 0xFFFFFFFF - 159), (2, 320)]


@pytest.mark.parametrize("other", [header(40_000, 5_000_000, ssrc=8), header(40_000, 5_000_000)])
def test_another_source_and_a_source_that_begins_anew_join(other: RtpHeader) -> None:
    sent = Sent()
    sent.voice(header(10, 1_600), 1.0)
    sent.voice(other, 1.5)
    assert sent.steps == [(1, 4_000)]
    assert sent.packets[-1].marker


def test_voice_goes_on_after_a_pause_without_a_gap_in_its_numbers() -> None:
    sent = Sent()
    sent.voice(header(10, 1_600), 1.0)
    sent.rewriter.pause()
    sent.voice(header(60, 9_600), 2.0)
    assert sent.steps == [(1, 8_000)]
    assert not sent.voice(header(59, 9_440), 2.0)  # from before the joint


def test_packets_of_our_own_stand_between_those_of_voice() -> None:
    sent = Sent()
    sent.voice(header(10, 1_600), 1.0)
    rewriter = sent.rewriter
    timestamp = rewriter.timestamp_at(1.02, 8_000)
    for index in range(3):
        packet = rewriter.insert(
            b"5", payload_type=101, clock_rate=8_000, marker=not index, timestamp=timestamp, now=1.02 + index * 0.02
        )
        sent.packets.append(parse_header(packet))
    sent.voice(header(14, 2_240), 1.08)
    assert sent.steps[:3] == [(1, 160), (1, 0), (1, 0)]
    assert sent.steps[3][0] == 1
    assert 0 < sent.steps[3][1] <= 480
    assert [packet.marker for packet in sent.packets] == [True, True, False, False, True]
    assert (rewriter.packets, rewriter.octets) == (5, 13)


def test_voice_after_silence_has_the_marker() -> None:
    sent = Sent()
    sent.voice(header(10, 1_600), 1.0)
    sent.voice(header(11, 9_600), 2.0)
    assert [packet.marker for packet in sent.packets] == [True, True]
    assert sent.steps == [(1, 8_000)]

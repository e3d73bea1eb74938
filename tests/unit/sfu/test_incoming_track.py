"""What becomes of a publisher's packets, in whatever order they come."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.sfu.incoming_track import FRESH_AGE, MAX_BEHIND, PADDED_FROM, PADDED_UP_TO, IncomingTrack, MediaPacket
from protocol.sfu.keyframe_detection import KeyFrame
from protocol.sfu.late_join import Replay
from protocol.sfu.nack import MAX_MISSING, REORDER_GRACE, UNASKED_GRACE
from protocol.sfu.packet_history import SHORT_REPLAY, VIDEO_AGE
from protocol.sfu.rtt import RttEstimator
from protocol.webrtc.rtcp import SenderReport, build_receiver_report
from protocol.webrtc.rtp import HEADER_SIZE, parse_header, payload
from tests.support.media.track_feeding import BASE, DELTA, KEY, feed, make_track, needs_key_frame


def has_fresh_key_frame(track: IncomingTrack) -> bool:
    return track.has_fresh_key_frame


def test_a_packet_becomes_canonical() -> None:
    packet = make_track().receive(7, 90_000, True, DELTA + b"picture", 0.0)
    assert packet is not None
    assert packet.data == struct.pack("!BBHII", 0x80, 0x80, 7, 90_000, 0xCAFE) + DELTA + b"picture"


def test_parts_of_a_picture_that_differ_by_a_byte_become_packets_of_one_size() -> None:
    track = make_track()
    track.pads = True
    bodies = [DELTA + bytes(size) for size in (1001, 1001, 1002, 1002)]
    packets = [track.receive(number, 0, False, body, 0.0) for number, body in enumerate(bodies)]
    assert {len(packet.data) for packet in packets if packet} == {1024}
    for packet, body in zip(packets, bodies, strict=True):
        assert packet is not None
        assert payload(packet.data, parse_header(packet.data)) == body
        assert track.ring.get(packet.sequence) == packet.data
    assert track.bytes == sum(map(len, bodies)) + 4 * HEADER_SIZE


@pytest.mark.parametrize("size", [0, PADDED_FROM - 1, PADDED_UP_TO + 1])
def test_what_is_no_such_part_keeps_its_size(size: int) -> None:
    body = bytes(max(size - HEADER_SIZE, 0))
    track = make_track()
    track.pads = True
    packet = track.receive(1, 0, False, body, 0.0)
    assert packet is not None
    assert (len(packet.data), packet.data[0]) == (HEADER_SIZE + len(body), 0x80)


@given(st.integers(PADDED_FROM, PADDED_UP_TO))
def test_padding_does_not_lead_beyond_its_bound(size: int) -> None:
    track = make_track()
    assert track.receive(1, 0, False, bytes(size - HEADER_SIZE), 0.0) is not None
    assert len(track.ring.get(BASE + 1) or b"") == size, "nobody has asked for it"
    track.pads = True
    packet = track.receive(2, 0, False, bytes(size - HEADER_SIZE), 0.0)
    assert packet is not None
    assert size <= len(packet.data) <= PADDED_UP_TO


def test_numbers_grow_over_the_wrap() -> None:
    assert feed(make_track(), 65_534, 65_535, 0, 1) == [65_534, 65_535, 65_536, 65_537]


def test_a_late_packet_is_forwarded_under_its_own_number() -> None:
    assert feed(make_track(), 65_535, 1, 0) == [65_535, 65_537, 65_536]


def test_duplicates_are_dropped_the_newest_one_too() -> None:
    track = make_track()
    assert feed(track, 10, 11, 11, 10, 12, 12) == [10, 11, 12]


def test_what_came_before_the_first_packet_is_dropped() -> None:
    assert feed(make_track(), 10, 9, 11) == [10, 11]


def test_what_is_too_old_to_be_encrypted_again_is_dropped() -> None:
    assert feed(make_track(), 0, 1, MAX_BEHIND + 2, 2, 3) == [0, 1, MAX_BEHIND + 2, 3]


def test_what_is_too_old_to_tell_whether_it_came_is_dropped() -> None:
    track = make_track()
    assert feed(track, 1, 2, 4, now=0.0) == [1, 2, 4]
    assert feed(track, 5, now=VIDEO_AGE + 1) == [5]
    assert feed(track, 2, 3, now=VIDEO_AGE + 1) == []


def test_a_packet_of_nothing_but_padding_keeps_the_numbers_whole() -> None:
    packet = make_track().receive(3, 0, False, b"", 0.0)
    assert packet is not None
    assert len(packet.data) == 12


def test_holes_are_asked_for_and_a_late_packet_fills_one() -> None:
    track = make_track()
    feed(track, 1, 5, 3)
    assert [sequence - BASE for sequence in track.wanted(REORDER_GRACE)] == [2, 4]


def test_nothing_is_asked_for_without_nack() -> None:
    track = make_track(nack=False)
    feed(track, 1, 5)
    assert track.wanted(9.0) == []


def test_a_hole_that_nobody_can_be_asked_for_makes_a_key_frame_necessary() -> None:
    track = make_track(nack=False)
    feed(track, 1, 3)
    assert track.wanted(UNASKED_GRACE / 2) == []
    feed(track, 2)  # it was only late
    assert track.losses.deadline == math.inf
    feed(track, 5)
    assert not needs_key_frame(track)
    assert track.losses.deadline == UNASKED_GRACE
    assert track.wanted(UNASKED_GRACE) == []
    assert needs_key_frame(track)
    track.key_frame_needed = False
    assert track.losses.deadline == math.inf, "it is asked for once"


def test_audio_has_no_key_frames_to_ask_for() -> None:
    track = make_track("OPUS", nack=False)
    feed(track, 1, 5, MAX_MISSING + 9)
    assert track.wanted(9.0) == []
    assert not needs_key_frame(track)


def test_a_hole_too_wide_asks_for_a_key_frame() -> None:
    track = make_track()
    feed(track, 1, MAX_MISSING + 3)
    assert needs_key_frame(track)
    assert track.wanted(9.0) == []


def give_up(track: IncomingTrack) -> None:
    while track.losses.deadline < math.inf:
        track.wanted(track.losses.deadline)


def test_a_hole_that_is_never_filled_asks_for_a_key_frame_once() -> None:
    track = make_track()
    feed(track, 1, 3, 5)
    give_up(track)
    assert needs_key_frame(track)
    track.key_frame_needed = False
    assert track.wanted(99.0) == []
    assert not needs_key_frame(track)


def test_a_hole_before_the_newest_key_frame_asks_for_none() -> None:
    track = make_track()
    feed(track, 1, 3)
    track.receive(4, 3000, False, KEY, 0.0)
    give_up(track)
    assert not needs_key_frame(track)
    feed(track, 6)
    give_up(track)
    assert needs_key_frame(track)


def test_an_answer_to_a_request_tells_the_round_trip() -> None:
    trip = RttEstimator()
    track = make_track(round_trip=trip)
    feed(track, 1, 3)
    track.wanted(0.010)
    track.receive_rtx(555, True, b"\x00\x02" + DELTA, 0.070)
    assert trip.mean == pytest.approx(0.060)


def test_rtx_brings_back_what_was_lost() -> None:
    track = make_track()
    feed(track, 1, 3)
    packet = track.receive_rtx(555, True, b"\x00\x02" + DELTA, 0.0)
    assert packet == MediaPacket(BASE + 2, struct.pack("!BBHII", 0x80, 0x80, 2, 555, 0xCAFE) + DELTA, None)
    assert track.wanted(9.0) == []


def test_probes_on_the_rtx_stream_lead_nowhere() -> None:
    track = make_track()
    assert track.receive_rtx(0, False, b"\x00\x05" + DELTA, 0.0) is None  # before any media
    feed(track, 5, 6)
    assert track.receive_rtx(0, False, b"\x00\x06" + DELTA, 0.0) is None  # repeats the newest packet
    assert track.receive_rtx(0, False, b"\x00\x05" + DELTA, 0.0) is None
    assert track.receive_rtx(0, False, b"", 0.0) is None
    assert track.receive_rtx(0, False, b"\x00\x07", 0.0) is None
    assert track.highest == BASE + 6


def test_a_key_frame_is_found_once_by_its_first_packet() -> None:
    track = make_track("H264")
    sps, idr = b"\x67\x42\x00", b"\x65\x88"
    found = [
        track.receive(number, timestamp, False, payload, 0.0)
        for number, (timestamp, payload) in enumerate([(0, sps), (0, idr), (3000, b"\x41\x9a"), (6000, idr)])
    ]
    assert [packet is not None and packet.key_frame for packet in found] == [KeyFrame(), None, None, KeyFrame()]


def test_a_late_packet_starts_no_key_frame() -> None:
    track = make_track()
    feed(track, 1, 3)
    packet = track.receive(2, 0, False, KEY, 0.0)
    assert packet is not None
    assert packet.key_frame is None


def test_no_report_before_the_first_packet() -> None:
    assert make_track().report(1, 0.0) is None


def test_a_report_tells_losses_of_the_interval_and_in_all() -> None:
    track = make_track()
    feed(track, *range(100, 110))
    first = track.report(42, 1.0)
    feed(track, 112, 113)
    second = track.report(42, 2.0)
    third = track.report(42, 3.0)
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.ssrc, first.fraction_lost, first.packets_lost, first.highest_sequence) == (42, 0, 0, 109)
    assert (second.fraction_lost, second.packets_lost, second.highest_sequence) == (128, 2, 113)
    assert (third.fraction_lost, third.packets_lost) == (0, 2)


def test_a_report_counts_what_came_by_rtx_as_lost() -> None:
    track = make_track()
    feed(track, *range(100, 107), 108, 109)
    track.receive_rtx(0, False, (107).to_bytes(2, "big") + DELTA, 0.1)
    report = track.report(42, 1.0)
    assert report is not None
    assert (report.fraction_lost, report.packets_lost) == (25, 1)
    assert track.lost == 0


def test_a_report_counts_cycles() -> None:
    track = make_track()
    feed(track, 65_535, 0)
    report = track.report(42, 1.0)
    assert report is not None
    assert report.highest_sequence == 1 << 16


def test_a_report_refers_to_the_last_sender_report() -> None:
    track = make_track()
    feed(track, 1)
    sender = SenderReport(ssrc=1, ntp_timestamp=0x1122334455667788, rtp_timestamp=0, packet_count=0, octet_count=0)
    track.take_sender_report(sender, 10.0)
    report = track.report(42, 10.5)
    assert report is not None
    assert (report.lsr, report.dlsr) == (0x33445566, 32_768)


def test_a_report_bears_clocks_that_disagree() -> None:
    track = make_track()
    feed(track, 1)
    sender = SenderReport(ssrc=1, ntp_timestamp=1 << 32, rtp_timestamp=0, packet_count=0, octet_count=0)
    track.take_sender_report(sender, 10.5)
    report = track.report(42, 10.2)
    assert report is not None
    assert report.dlsr == 0
    assert build_receiver_report(9, [report])


def test_jitter_follows_rfc_3550() -> None:
    steady, shaky = make_track(), make_track()
    for number in range(200):
        steady.receive(number, number * 3000, True, DELTA, number / 30)
        shaky.receive(number, number * 3000, True, DELTA, number / 30 + (0.01 if number % 2 else 0.0))
    calm, trembling = steady.report(1, 9.0), shaky.report(1, 9.0)
    assert calm is not None
    assert trembling is not None
    assert calm.jitter == 0
    assert 850 <= trembling.jitter <= 900  # 10 ms at 90 kHz


@given(st.integers(0, 65_535), st.lists(st.integers(-40, 60), max_size=60))
def test_every_packet_is_forwarded_at_most_once(first: int, steps: list[int]) -> None:
    track = make_track()
    true_number, sent, got = first, [first], feed(track, first)
    for step in steps:
        true_number += step
        sent.append(true_number)
        got += feed(track, true_number)
    assert len(set(got)) == len(got)
    assert set(got) <= set(sent)
    assert max(got) == max(sent)


# -- what a viewer starts with that comes late -------------------------------------------------------------------------


def test_a_late_viewer_gets_everything_from_the_last_key_frame_on() -> None:
    track = make_track()
    assert track.replay(0.0) is None
    feed(track, 65_534)
    assert track.replay(0.0) is None
    wanted = [track.receive((65_535 + n) & 0xFFFF, n * 3000, False, KEY if n == 0 else DELTA, 0.1) for n in range(3)]
    replay = track.replay(0.0)
    assert replay == Replay(BASE + 65_535, [packet.data for packet in wanted if packet])


def test_a_second_key_frame_replaces_the_first() -> None:
    track = make_track()
    for number, body in enumerate((KEY, DELTA, KEY, DELTA)):
        track.receive(number, number * 3000, False, body, 0.0)
    replay = track.replay(0.0)
    assert replay is not None
    assert (replay.start, len(replay.packets)) == (BASE + 2, 2)


def test_a_viewer_may_not_be_far_behind() -> None:
    track = make_track()
    assert not has_fresh_key_frame(track)
    track.receive(1, 0, False, KEY, 0.0)
    feed(track, 2, now=FRESH_AGE)
    assert has_fresh_key_frame(track)
    feed(track, 3, now=SHORT_REPLAY.age)
    assert not has_fresh_key_frame(track)
    assert track.replay(0.0) is not None
    feed(track, 4, now=SHORT_REPLAY.age + 0.01)
    assert track.replay(0.0) is None


def test_a_picture_that_stands_still_is_replayed_however_old_it_is() -> None:
    track = make_track()
    track.receive(1, 0, False, KEY, 0.0)
    feed(track, 2, now=0.03)
    track.report(42, 600.0)
    assert has_fresh_key_frame(track)
    assert track.replay(600.0) is not None


def test_a_picture_with_a_hole_is_not_replayed_until_the_hole_is_filled() -> None:
    track = make_track()
    track.receive(1, 0, False, KEY, 0.0)
    feed(track, 3)
    assert track.replay(0.0) is None
    feed(track, 2)
    replay = track.replay(0.0)
    assert replay is not None
    assert len(replay.packets) == 3


@pytest.mark.parametrize(("room", "now"), [(SHORT_REPLAY.octets, 0.0), (SHORT_REPLAY.still_octets, 60.0)])
def test_what_would_fill_a_viewers_path_is_not_replayed(room: int, now: float) -> None:
    track = make_track()
    track.receive(1, 0, False, KEY, 0.0)
    packet = DELTA + bytes(1196)
    fitting = room // (HEADER_SIZE + len(packet))
    for number in range(2, fitting + 1):
        track.receive(number, 0, False, packet, 0.0)
    assert track.replay(now) is not None
    for number in range(fitting + 1, fitting + 3):
        track.receive(number, 0, False, packet, 0.0)
    assert track.replay(now) is None

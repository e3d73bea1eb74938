"""Numbers of a publisher that begin anew, and stretches that are left out: viewers see one row of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.sfu.incoming_track import IncomingTrack, MediaPacket
from protocol.sfu.nack import REORDER_GRACE
from protocol.webrtc.rtcp import SenderReport
from protocol.webrtc.rtp import parse_header
from tests.support.media.track_feeding import BASE, DELTA, KEY, feed, make_track, needs_key_frame

# -- numbers that begin anew -------------------------------------------------------------------------------------------


def video(track: IncomingTrack, sequence: int, body: bytes, timestamp: int, now: float) -> MediaPacket | None:
    return track.receive(sequence & 0xFFFF, timestamp & 0xFFFFFFFF, True, body, now)


def timestamp_of(packet: MediaPacket | None) -> int:
    assert packet is not None
    return parse_header(packet.data).timestamp


@pytest.mark.parametrize("jump", [-20_000, 33_000, 39_000, 60_000])
def test_numbers_that_jump_cost_one_packet_and_a_key_frame(jump: int) -> None:
    track = make_track()
    first = video(track, 30_000, KEY, 0, 0.0)
    assert first is not None
    start = 30_000 + jump
    assert video(track, start, DELTA, 3000, 0.03) is None  # it may be a stray one
    assert not needs_key_frame(track)
    assert video(track, start + 1, DELTA, 6000, 0.06) is None
    assert needs_key_frame(track)
    joined = [video(track, start + 2 + n, KEY if n == 0 else DELTA, 9000 + 3000 * n, 0.1) for n in range(3)]
    assert [packet and packet.sequence for packet in joined] == [first.sequence + 1 + n for n in range(3)]
    assert [timestamp_of(packet) for packet in joined] == [9000, 12_000, 15_000], "its clock has not jumped"
    assert not needs_key_frame(track)
    assert track.lost == 0


def test_a_stray_packet_is_no_jump() -> None:
    track = make_track()
    assert feed(track, 1, 40_000, 2, 40_000, 3, 50_001, 4) == [1, 2, 3, 4]
    assert not needs_key_frame(track)


def test_audio_goes_on_at_once_after_a_jump() -> None:
    track = make_track("OPUS", nack=False)
    assert feed(track, 10, 40_000, 40_001, 40_002) == [10, 11, 12]


def test_old_retransmissions_do_not_make_numbers_jump() -> None:
    track = make_track()
    feed(track, 30_000, 30_001)
    for number in range(100, 110):
        assert track.receive_rtx(0, False, number.to_bytes(2, "big") + DELTA, 0.0) is None
    assert feed(track, 30_002) == [30_002]


def test_another_source_follows_the_one_before() -> None:
    track = make_track()
    first = video(track, 65_000, KEY, 4_000_000_000, 10.0)
    assert first is not None
    track.restart()
    assert needs_key_frame(track)
    assert track.report(43, 10.5) is None, "nothing of it has come"
    assert video(track, 7, DELTA, 90_000, 11.0) is None
    joined = video(track, 8, KEY, 93_000, 12.0)
    assert joined is not None
    assert joined.sequence == first.sequence + 1
    assert joined.key_frame
    assert timestamp_of(joined) == 4_000_000_000 + 2 * 90_000, "as much later as it came"
    assert timestamp_of(video(track, 9, DELTA, 96_000, 12.03)) == 4_000_000_000 + 2 * 90_000 + 3000
    report = track.report(43, 13.0)
    assert report is not None
    assert (report.highest_sequence, report.packets_lost) == (9, 0)


def test_what_is_missing_of_another_source_is_asked_for_by_its_own_numbers() -> None:
    track = make_track()
    feed(track, 65_000)
    track.restart()
    video(track, 10, KEY, 0, 0.0)
    feed(track, 12)
    assert [sequence & 0xFFFF for sequence in track.wanted(REORDER_GRACE)] == [11]
    packet = track.receive_rtx(0, False, b"\x00\x0b" + DELTA, 0.1)
    assert packet is not None
    assert packet.sequence == BASE + 65_002
    assert track.wanted(9.0) == []


def test_what_comes_late_of_before_the_joint_is_dropped() -> None:
    track = make_track()
    feed(track, 100, 102)
    track.leave_out(103, 0, 0.0)
    assert feed(track, 104) == []
    assert video(track, 106, KEY, 0, 0.0) is not None
    assert feed(track, 105, 101, 107) == [104]
    assert track.receive_rtx(0, False, (104).to_bytes(2, "big") + DELTA, 0.1) is None


def test_a_stretch_that_is_left_out_leaves_no_hole_and_is_no_loss() -> None:
    track = make_track()
    feed(track, 1, 2, 3)
    for number in (4, 5):
        track.leave_out(number, 0, 0.0)
    assert feed(track, 6) == []
    assert needs_key_frame(track)
    packet = video(track, 7, KEY, 0, 0.0)
    assert packet is not None
    assert packet.sequence == BASE + 4
    assert (track.wanted(9.0), track.lost) == ([], 0)
    report = track.report(42, 1.0)
    assert report is not None
    assert (report.highest_sequence, report.fraction_lost) == (7, 0)


def test_sound_goes_on_with_the_first_packet_that_is_fresh() -> None:
    track = make_track("OPUS", nack=False)
    feed(track, 1, 2)
    track.leave_out(3, 0, 0.0)
    assert feed(track, 4, 5) == [3, 4]
    assert not needs_key_frame(track)


def test_what_is_left_out_before_anything_was_forwarded_holds_nothing_up() -> None:
    track = make_track()
    track.leave_out(3, 0, 0.0)
    assert feed(track, 4) == [4]


def test_sender_reports_follow_the_shifted_clock() -> None:
    track = make_track()
    video(track, 1, KEY, 1_000_000, 0.0)
    sender = SenderReport(ssrc=1, ntp_timestamp=7, rtp_timestamp=4_294_000_000, packet_count=0, octet_count=0)
    assert track.take_sender_report(sender, 0.0) == sender
    track.restart()
    assert track.take_sender_report(sender, 0.5) is None, "nobody knows yet what it means to viewers"
    video(track, 1, KEY, 4_294_000_000, 1.0)
    report = track.take_sender_report(sender, 1.0)
    assert report is not None
    assert report.rtp_timestamp == 1_090_000


@given(st.lists(st.tuples(st.integers(0, 65_535), st.booleans(), st.booleans()), max_size=60))
def test_whatever_numbers_come_viewers_see_each_number_once(packets: list[tuple[int, bool, bool]]) -> None:
    track, seen = make_track(), set()
    for sequence, is_key, is_rtx in packets:
        body = KEY if is_key else DELTA
        if is_rtx:
            packet = track.receive_rtx(0, False, sequence.to_bytes(2, "big") + body, 0.0)
        else:
            packet = track.receive(sequence, 0, False, body, 0.0)
        if packet is not None:
            assert packet.sequence not in seen
            assert packet.sequence & 0xFFFF == parse_header(packet.data).sequence
            seen.add(packet.sequence)
        assert all(number >= 0 for number in seen)

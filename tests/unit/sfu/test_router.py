import math

from protocol.sfu import router as limits
from protocol.sfu.keyframe import KeyFrame
from protocol.sfu.outgoing import HALF, OutgoingTrack, Variant
from protocol.sfu.router import KeyFrameRequests, TrackRouter, ViewerRequests
from protocol.sfu.rtt import RttEstimator
from protocol.sfu.track import MediaPacket


def viewer(payload_type: int = 96) -> OutgoingTrack:
    return OutgoingTrack(
        payload_type=payload_type,
        rtx_payload_type=None,
        rtx_ssrc=None,
        rtx_sequence=0,
        round_trip=RttEstimator(),
        now=0.0,
    )


def packet(sequence: int, *, key: bool = False) -> MediaPacket:
    data = bytes((0x80, 0)) + (sequence & 0xFFFF).to_bytes(2, "big") + bytes(8)
    return MediaPacket(sequence, data, KeyFrame() if key else None)


# -- requests --------------------------------------------------------------------------------------------------------


def test_the_first_request_goes_at_once() -> None:
    requests = KeyFrameRequests()
    assert not requests.due(1.0)
    requests.request(1.0)
    assert requests.due(1.0)


def test_a_thousand_viewers_make_a_few_requests() -> None:
    requests = KeyFrameRequests()
    sent = 0
    for number in range(1000):
        now = number / 1000
        requests.request(now)
        sent += requests.due(now)
    assert sent == math.ceil(1 / limits.MIN_REQUEST_INTERVAL)


def test_a_request_that_comes_too_soon_is_deferred_not_lost() -> None:
    requests = KeyFrameRequests()
    requests.request(1.0)
    requests.due(1.0)
    requests.arrived()
    requests.request(1.1)
    assert not requests.due(1.1)
    assert requests.deadline == 1.0 + limits.MIN_REQUEST_INTERVAL
    assert requests.due(requests.deadline)


def test_a_request_is_repeated_until_a_key_frame_comes() -> None:
    requests = KeyFrameRequests()
    requests.request(1.0)
    requests.due(1.0)
    assert requests.due(1.0 + limits.RETRY_INTERVAL)
    requests.arrived()
    assert requests.deadline == math.inf
    assert not requests.due(99.0)


def test_one_viewer_cannot_command_key_frames() -> None:
    requests, own = KeyFrameRequests(), ViewerRequests()
    sent = 0
    for number in range(10_000):
        now = number / 1000
        requests.request(now, not_before=own.not_before(now))
        if requests.due(now):
            sent += 1
            requests.arrived()
    assert sent <= 2 * 10 / limits.MIN_VIEWER_INTERVAL


# -- viewers ---------------------------------------------------------------------------------------------------------


def test_audio_starts_with_the_next_packet() -> None:
    router, listener = TrackRouter(gated=False), viewer()
    router.join(listener)
    assert router.admit(packet(70_000), 70_000) == [listener]
    assert listener.start == 70_000


def test_video_waits_for_a_key_frame() -> None:
    router, watcher = TrackRouter(gated=True), viewer()
    router.join(watcher)
    assert router.admit(packet(10), 10) == []
    assert router.copies(packet(10)) == []
    assert router.admit(packet(11, key=True), 11) == [watcher]
    assert [copy.variant for copy in router.copies(packet(11))] == [Variant(96, 0)]


def test_a_late_packet_starts_nobody() -> None:
    router, listener = TrackRouter(gated=False), viewer()
    router.join(listener)
    assert router.admit(packet(10), 12) == []


def test_one_copy_for_each_variant_whatever_the_number_of_viewers() -> None:
    router = TrackRouter(gated=False)
    for _ in range(50):
        router.join(viewer(96))
        router.join(viewer(120))
    router.admit(packet(100), 100)
    for _ in range(50):
        router.join(viewer(96))
    router.admit(packet(HALF), HALF)
    assert {copy.variant for copy in router.copies(packet(HALF))} == {
        Variant(96, 0),
        Variant(120, 0),
        Variant(96, HALF),
    }


def test_a_variant_ends_with_its_last_viewer() -> None:
    router, one, other = TrackRouter(gated=False), viewer(), viewer()
    router.join(one)
    router.join(other)
    router.admit(packet(1), 1)
    router.leave(one)
    assert len(router.copies(packet(2))) == 1
    router.leave(other)
    router.leave(other)
    assert router.copies(packet(3)) == []


def test_a_viewer_that_leaves_while_it_waits_never_starts() -> None:
    router, watcher = TrackRouter(gated=True), viewer()
    router.join(watcher)
    router.leave(watcher)
    assert router.admit(packet(1, key=True), 1) == []

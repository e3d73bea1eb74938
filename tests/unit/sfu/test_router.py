from protocol.sfu.incoming_track import MediaPacket
from protocol.sfu.keyframe_detection import KeyFrame
from protocol.sfu.outgoing_track import HALF, OutgoingTrack, Variant
from protocol.sfu.router import TrackRouter
from protocol.sfu.rtt import RttEstimator


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
    assert [variant for variant, _ in router.copies(packet(11))] == [Variant(96, 0)]


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
    assert {variant for variant, _ in router.copies(packet(HALF))} == {
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

"""A publication whose packets come from a worker: late viewers begin with the last key frame, whatever its age."""

import pytest

from actors.media.events import Flowing
from actors.media.ingest.fed_ingest import FedIngest
from protocol.containers.rtp_tracks import RtpTrack
from protocol.sfu.keyframe_requests import MIN_ANSWERS
from protocol.sfu.packet_history import LONG_REPLAY, SHORT_REPLAY, SLOW_REPLAY
from protocol.taps import TapError, TapRecord, TrackFormat, read_message
from protocol.webrtc.rtp import parse_header, payload
from protocol.webrtc.sdp import MediaKind
from tests.support.media.media_rig import Facts, media_rig
from tests.support.media.plain_media import KeepingSink, PlainSource
from tests.support.media.rtp_packets import build_header
from tests.support.webrtc.media_peer import vp8_delta, vp8_key_frame

VIDEO, SOUND = TrackFormat("VP8", 90_000), TrackFormat("OPUS", 48_000, 2)


def packets(track: RtpTrack, *pictures: bytes, at: float = 0.0) -> list[TapRecord]:
    made = [record for index, data in enumerate(pictures) for record in track.records([data], at + index / 25, 0.0)]
    return list(read_message(memoryview(b"".join(made))))


async def test_a_viewer_that_joins_late_begins_with_the_last_key_frame() -> None:
    async with media_rig() as rig:
        facts = Facts()
        ingest = FedIngest(rig.plane.context, [SOUND, VIDEO], facts.post)
        track, now = RtpTrack(1, VIDEO, offset=0), rig.plane.context.clock()
        for index, record in enumerate(packets(track, vp8_key_frame(b"key"), *[vp8_delta(b"d")] * 100)):
            ingest.take(record, now + index / 25)
        assert Flowing() in facts.told
        incoming = ingest.publication.tracks[MediaKind.VIDEO].incoming
        replay = incoming.replay(now + 4.0)
        assert replay is not None
        assert len(replay.packets) == 101
        assert SHORT_REPLAY.age < 4.0 < LONG_REPLAY.age


async def test_another_worker_goes_on_without_a_hole() -> None:
    async with media_rig() as rig:
        ingest = FedIngest(rig.plane.context, [VIDEO], Facts().post)
        sink, now = KeepingSink(), rig.plane.context.clock()
        ingest.publication.tracks[MediaKind.VIDEO].attach(sink)
        for record in packets(RtpTrack(0, VIDEO, offset=0), vp8_key_frame(), vp8_delta(), at=50.0):
            ingest.take(record, now)
        assert ingest.begins_again([VIDEO])
        for record in packets(RtpTrack(0, VIDEO, offset=0), vp8_delta(), vp8_key_frame(), vp8_delta(), at=53.0):
            ingest.take(record, now + 3)
        numbers = [packet.sequence for packet, _ in sink.packets]
        assert numbers == list(range(numbers[0], numbers[0] + 4)), "the picture goes on at a key frame"
        assert not ingest.begins_again([SOUND, VIDEO])


async def test_what_is_no_packet_is_refused() -> None:
    async with media_rig() as rig:
        ingest = FedIngest(rig.plane.context, [VIDEO], Facts().post)
        (_, packet) = packets(RtpTrack(0, VIDEO, offset=0), vp8_key_frame())
        with pytest.raises(TapError):
            ingest.take(packet._replace(track=1), 0.0)
        with pytest.raises(TapError):
            ingest.take(packet._replace(body=b"short"), 0.0)
        ingest.close()
        ingest.take(packet, 0.0)
        assert ingest.statistics().packets == 0


async def test_a_publisher_that_answers_slowly_gives_viewers_its_last_key_frame() -> None:
    async with media_rig() as rig:
        source = PlainSource(rig.plane.context, post=Facts().post)
        track, now = source.publication.tracks[MediaKind.VIDEO], rig.plane.context.clock()
        assert track.incoming.ring.replay_limits == SHORT_REPLAY
        for number in range(MIN_ANSWERS):
            asked = now + 2 * number
            track.requests.request(asked)
            assert track.requests.due(asked)
            data = (
                build_header(payload_type=0, marker=True, sequence=number, timestamp=number, ssrc=1) + vp8_key_frame()
            )
            header = parse_header(data)
            picture = track.incoming.receive(
                header.sequence, header.timestamp, header.marker, payload(data, header), asked + 1.0
            )
            source.publication.take(track, picture, asked + 1.0)
        assert track.incoming.ring.replay_limits == SLOW_REPLAY
        assert SLOW_REPLAY.octets < LONG_REPLAY.octets, "who joins holds up media: the next key frame can be asked for"

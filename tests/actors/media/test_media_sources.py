"""Whose packet it is: by SSRC, payload type and mid."""

import pytest

from actors.media.ingest.ssrc_table import TAKEOVER_AFTER, Source, SsrcTable
from actors.media.tracks.published_track import PublishedTrack
from protocol.sfu.rtt import RttEstimator
from protocol.webrtc.sdp import Codec, MediaKind, TrackPlan
from tests.support.media.rtp_packets import build_header

OPUS = Codec(payload_type=111, name="OPUS", clock_rate=48_000, channels=2)
VP8 = Codec(payload_type=96, name="VP8", clock_rate=90_000, rtcp_feedback=("nack", "nack pli"))
MID_ID = 4
KEY = b"\x10\x10\x00\x00\x9d\x01\x2a\x80\x02\xe0\x01"


def plan(kind: MediaKind, codec: Codec, mid: str, ssrc: int | None = None, rtx_ssrc: int | None = None) -> TrackPlan:
    rtx = 97 if kind is MediaKind.VIDEO else None
    return TrackPlan(
        kind=kind, mid=mid, codec=codec, rtx_payload_type=rtx, ssrc=ssrc, rtx_ssrc=rtx_ssrc, mid_extension_id=MID_ID
    )


def open_track(plan: TrackPlan) -> PublishedTrack:
    return PublishedTrack(
        plan.kind, plan.codec, ssrc=1, rtx_ssrc=2, round_trip=RttEstimator(), now=0.0, ask=lambda: None
    )


class Publisher:
    """The table of one publisher, and what it makes of packets."""

    def __init__(self, *plans: TrackPlan) -> None:
        self.tracks = {each.kind: open_track(each) for each in plans}
        self.table = SsrcTable(plans, self.tracks)
        self.number = 0

    def send(self, ssrc: int, payload_type: int, now: float, mid: bytes | None = None) -> Source | None:
        """A packet comes, and proves authentic."""
        self.number += 1
        data = build_header(
            payload_type=payload_type,
            marker=False,
            sequence=self.number,
            timestamp=0,
            ssrc=ssrc,
            extensions=[(MID_ID, mid)] if mid else [],
        )
        encrypted = bytes((data[0] | 0x20,)) + data[1:] + b"\xff" * 30  # its padding cannot be read
        source = self.table.find(ssrc, encrypted, now)
        if source is not None:
            if ssrc not in self.table:
                self.table.bind(ssrc, source)
            if not source.is_rtx:
                source.track.incoming.receive(self.number, 0, False, KEY, now)
        return source


def kind_of(source: Source | None) -> str:
    return "nobody" if source is None else f"{source.mid}{' rtx' if source.is_rtx else ''}"


def announced() -> Publisher:
    return Publisher(plan(MediaKind.AUDIO, OPUS, "a", ssrc=10), plan(MediaKind.VIDEO, VP8, "v", ssrc=20, rtx_ssrc=21))


def test_announced_sources_are_known_by_their_ssrc_alone() -> None:
    publisher = announced()
    assert [kind_of(publisher.send(ssrc, 0, 0.0)) for ssrc in (10, 20, 21)] == ["a", "v", "v rtx"]


def test_another_ssrc_takes_the_place_of_one_that_fell_silent() -> None:
    publisher = announced()
    publisher.send(20, 96, 0.0)
    assert kind_of(publisher.send(30, 96, TAKEOVER_AFTER)) == "nobody", "it may be another layer of the picture"
    assert kind_of(publisher.send(30, 96, TAKEOVER_AFTER + 0.01)) == "v"
    assert publisher.table.media[publisher.tracks[MediaKind.VIDEO]] == 30
    assert kind_of(publisher.send(20, 96, TAKEOVER_AFTER + 0.02)) == "nobody", "two do not take turns"
    assert kind_of(publisher.send(10, 111, 2.0)) == "a"


def test_retransmissions_of_the_one_before_are_none_of_the_new_one() -> None:
    publisher = announced()
    publisher.send(20, 96, 0.0)
    publisher.send(30, 96, 1.0)
    publisher.send(30, 96, 2.0)
    assert kind_of(publisher.send(21, 97, 2.0)) == "nobody"
    assert kind_of(publisher.send(31, 97, 2.0)) == "v rtx"
    assert kind_of(publisher.send(32, 97, 9.0)) == "nobody", "they are silent most of the time"


def test_a_goodbye_makes_room_at_once() -> None:
    publisher = announced()
    publisher.send(20, 96, 0.0)
    publisher.table.end(20)
    assert kind_of(publisher.send(30, 96, 0.1)) == "v"
    assert kind_of(publisher.send(40, 96, 0.2)) == "nobody"


def test_an_announced_ssrc_that_never_comes_keeps_its_place_for_a_moment_only() -> None:
    publisher = announced()
    assert kind_of(publisher.send(30, 96, 100.0)) == "nobody"
    assert kind_of(publisher.send(30, 96, 100.1 + TAKEOVER_AFTER)) == "v"


def test_without_announced_ssrcs_the_first_of_each_payload_type_is_the_track() -> None:
    publisher = Publisher(plan(MediaKind.AUDIO, OPUS, "a"), plan(MediaKind.VIDEO, VP8, "v"))
    packets = [(1, 96), (2, 111), (3, 97), (4, 96), (5, 50)]
    assert [kind_of(publisher.send(*packet, 0.0)) for packet in packets] == ["v", "a", "v rtx", "nobody", "nobody"]


@pytest.mark.parametrize(("mid", "expected"), [(b"v", "v"), (b"w", "nobody"), (None, "v")])
def test_a_packet_that_names_another_section_is_none_of_the_track(mid: bytes | None, expected: str) -> None:
    publisher = Publisher(plan(MediaKind.VIDEO, VP8, "v"))
    assert kind_of(publisher.send(1, 96, 0.0, mid)) == expected


def test_bytes_that_are_no_header_lead_to_no_error() -> None:
    publisher = Publisher(plan(MediaKind.VIDEO, VP8, "v"))
    assert publisher.table.find(1, b"\x9f\x60" + b"\xff" * 10, 0.0) is not None
    assert publisher.table.find(1, b"\xbf\x60" + b"\xff" * 14, 0.0) is not None

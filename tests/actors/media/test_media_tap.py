"""A tap hands a publication's packets to a worker, and never waits for it."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trio

from actors.media.events import discard
from actors.media.tap import Tap
from protocol.sfu.packet_history import SHORT_REPLAY, SLOW_REPLAY
from protocol.taps import MAX_MESSAGE, RecordKind, TapRecord, TrackFormat, read_info, read_message, read_report
from protocol.webrtc.rtcp import SenderReport
from protocol.webrtc.rtp import parse_header, payload
from protocol.webrtc.sdp import MediaKind
from tests.support.media.media_rig import Rig, media_rig, until
from tests.support.media.plain_media import PlainSource
from tests.support.media.rtp_packets import build_header
from tests.support.webrtc.media_peer import vp8_delta, vp8_key_frame

REPORT = SenderReport(ssrc=9, ntp_timestamp=77 << 32, rtp_timestamp=4711, packet_count=1, octet_count=1)


def rtp(sequence: int, content: bytes, *, timestamp: int = 0) -> bytes:
    header = build_header(payload_type=50, marker=True, sequence=sequence, timestamp=timestamp, ssrc=4242)
    return header + content


class Tapped:
    """A source with a tap, and the worker's end of its socket."""

    def __init__(self, rig: Rig, source: PlainSource, ours: socket.socket, theirs: socket.socket) -> None:
        self.context, self.source, self.socket, self.ends = rig.plane.context, source, theirs, 0
        self.tap = Tap(source.publication, rig.plane.context, ours, self._ended)
        rig.plane.context.flush()

    def _ended(self) -> None:
        self.ends += 1

    def messages(self) -> list[bytes]:
        found: list[bytes] = []
        while True:
            try:
                message = self.socket.recv(MAX_MESSAGE + 1)
            except BlockingIOError:
                return found
            if not message:
                return [*found, b""]
            found.append(message)

    def records(self) -> list[TapRecord]:
        return [record for message in self.messages() for record in read_message(memoryview(message))]

    def payloads(self) -> list[bytes]:
        found = [record.body for record in self.records() if record.kind is RecordKind.RTP]
        return [payload(body, parse_header(body)) for body in found]

    def feed(self, first: int, *pictures: bytes) -> None:
        self.source.feed(
            MediaKind.VIDEO,
            [rtp(number & 0xFFFF, picture, timestamp=number * 3000) for number, picture in enumerate(pictures, first)],
        )


@contextmanager
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def opened(source: PlainSource, rig: Rig, pair: tuple[socket.socket, socket.socket]) -> Tapped:
    return Tapped(rig, source, *pair)


async def test_a_tap_tells_the_tracks_and_then_everything_that_comes() -> None:
    async with media_rig() as rig:
        source = PlainSource(rig.plane.context, post=discard)
        with sockets() as pair:
            tapped = opened(source, rig, pair)
            (info,) = tapped.records()
            assert read_info(info.body) == (TrackFormat("OPUS", 48_000, 2), TrackFormat("VP8", 90_000))
            assert source.key_frames_asked == 1
            tapped.feed(65_535, vp8_key_frame(b"1"), vp8_delta(b"2" * 700))
            source.feed(MediaKind.AUDIO, [rtp(1, b"opus", timestamp=960)])
            records = tapped.records()
            assert [(record.track, record.sequence & 0xFFFF) for record in records] == [(1, 65_535), (1, 0), (0, 1)]
            assert records[1].sequence == records[0].sequence + 1
            assert payload(records[1].body, parse_header(records[1].body)) == vp8_delta(b"2" * 700)
            assert abs(records[0].time - trio.current_time()) < 10
            source.publication.tracks[MediaKind.VIDEO].take_report(REPORT, 5.0)
            rig.plane.context.flush()
            (report,) = tapped.records()
            assert (report.track, report.time, read_report(report.body)) == (1, 5.0, (77 << 32, 4711))


async def test_what_came_in_one_wake_up_is_one_message() -> None:
    async with media_rig() as rig:
        source = PlainSource(rig.plane.context, post=discard)
        with sockets() as pair:
            tapped = opened(source, rig, pair)
            tapped.feed(1, vp8_key_frame(), *(vp8_delta(b"x" * 1000) for _ in range(50)))
            assert len(tapped.messages()) == 2, "INFO, and the rest"
            tapped.feed(52, *(vp8_delta(b"x" * 1000) for _ in range(200)))
            sizes = [len(message) for message in tapped.messages()]
            assert len(sizes) == 3
            assert max(sizes) <= MAX_MESSAGE


async def test_a_worker_that_joins_late_gets_the_last_key_frame_and_report() -> None:
    async with media_rig() as rig:
        source = PlainSource(rig.plane.context, post=discard)
        pictures = [vp8_key_frame(b"1"), vp8_delta(b"2")]
        source.feed(MediaKind.VIDEO, [rtp(number, picture) for number, picture in enumerate(pictures)])
        source.publication.tracks[MediaKind.VIDEO].take_report(REPORT, 5.0)
        with sockets() as pair:
            tapped = opened(source, rig, pair)
            info, report, *rest = tapped.records()
            assert (info.kind, report.kind, report.time) == (RecordKind.INFO, RecordKind.REPORT, 5.0)
            assert [payload(record.body, parse_header(record.body)) for record in rest] == pictures
            assert source.key_frames_asked == 0
            tapped.feed(2, vp8_delta(b"3"))
            assert tapped.payloads() == [vp8_delta(b"3")]
    assert SHORT_REPLAY.age > 0.1


@pytest.mark.parametrize("heeds_requests", [True, False])
async def test_a_worker_gets_no_old_key_frame_where_a_new_one_can_be_asked_for(heeds_requests: bool) -> None:
    async with media_rig() as rig:
        source = PlainSource(rig.plane.context, post=discard)
        source.feed(MediaKind.VIDEO, [rtp(1, vp8_key_frame(b"1"))])
        track, later = source.publication.tracks[MediaKind.VIDEO], rig.plane.context.clock() + 2.0
        track.heeds_requests, track.incoming.ring.replay_limits = heeds_requests, SLOW_REPLAY
        track.incoming.receive(2, 6000, True, vp8_delta(b"2"), later)
        assert track.incoming.replay(later) is not None, "viewers get it"
        with sockets() as pair:
            tapped = opened(source, rig, pair)
            assert len(tapped.payloads()) == (0 if heeds_requests else 2)
            assert source.key_frames_asked == heeds_requests


async def test_without_a_key_frame_at_hand_video_waits_for_the_next_one_and_sound_does_not() -> None:
    async with media_rig() as rig:
        source = PlainSource(rig.plane.context, post=discard)
        with sockets() as pair:
            tapped = opened(source, rig, pair)
            tapped.feed(1, vp8_delta(b"1"))
            source.feed(MediaKind.AUDIO, [rtp(1, b"opus")])
            tapped.feed(2, vp8_key_frame(b"2"))
            tapped.feed(1, vp8_delta(b"late"))
            assert tapped.payloads() == [b"opus", vp8_key_frame(b"2")]


async def test_a_full_socket_drops_whole_messages_and_video_goes_on_at_a_key_frame() -> None:
    async with media_rig() as rig:
        source = PlainSource(rig.plane.context, post=discard)
        with sockets() as pair:
            tapped = opened(source, rig, pair)
            tapped.feed(1, vp8_key_frame(b"first"))
            number, asked = 2, source.key_frames_asked
            while not tapped.tap.dropped:
                tapped.feed(number, vp8_delta(b"x" * 1100))
                number += 1
            assert tapped.tap.dropped == 1
            await until(_asked_again(source, asked, tapped))
            tapped.feed(number, vp8_delta(b"of no use"))
            assert len(tapped.payloads()) == number - 2
            tapped.feed(number + 1, vp8_delta(b"of no use either"), vp8_key_frame(b"second"), vp8_delta(b"after"))
            assert tapped.payloads() == [vp8_key_frame(b"second"), vp8_delta(b"after")]
            assert tapped.ends == 0


def _asked_again(source: PlainSource, before: int, tapped: Tapped) -> Callable[[], bool]:
    def asked() -> bool:
        tapped.tap.request_key_frame()
        return source.key_frames_asked > before

    return asked


async def test_the_end_of_the_publication_is_told_and_closes_the_socket() -> None:
    async with media_rig() as rig:
        source = PlainSource(rig.plane.context, post=discard)
        with sockets() as pair:
            tapped = opened(source, rig, pair)
            tapped.feed(1, vp8_key_frame(b"1"))
            tapped.messages()
            source.publication.end()
            end, nothing = tapped.messages()
            assert [record.kind for record in read_message(memoryview(end))] == [RecordKind.END]
            assert nothing == b""
            assert (tapped.ends, tapped.tap.closed) == (1, True)
            tapped.tap.request_key_frame()
            tapped.tap.close()


async def test_a_worker_that_is_gone_is_noticed_at_the_next_message_and_nobody_else_suffers() -> None:
    async with media_rig() as rig:
        source = PlainSource(rig.plane.context, post=discard)
        with sockets() as gone, sockets() as pair:
            first, other = opened(source, rig, gone), opened(source, rig, pair)
            gone[1].close()
            tapped_before = other.messages()
            first.feed(1, vp8_key_frame(b"1"))
            assert len(tapped_before) == 1
            assert (first.ends, first.tap.closed) == (1, True)
            other.feed(2, vp8_delta(b"2"))
            assert other.payloads() == [vp8_key_frame(b"1"), vp8_delta(b"2")]


async def test_a_tap_that_is_closed_gets_nothing_more() -> None:
    async with media_rig() as rig:
        source = PlainSource(rig.plane.context, post=discard)
        with sockets() as pair:
            tapped = opened(source, rig, pair)
            tapped.tap.close()
            tapped.feed(1, vp8_key_frame(b"1"))
            assert tapped.messages()[1:] == [b""]
            assert tapped.ends == 0, "it was closed by who would be told"

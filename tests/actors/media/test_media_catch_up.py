"""Viewers that join between two key frames get the past in slices, then the present: each packet once, in order."""

import os

import pytest
from attrs import define, field

from actors.media.catch_up import SLICE, CatchUps
from actors.media.context import MediaContext
from actors.media.events import discard
from actors.media.sending.sender import PortableSender, Recipient
from actors.media.subscribers import Subscriber
from config.settings import Settings
from protocol.sfu.incoming_track import MediaRun
from protocol.sfu.outgoing_track import OutgoingTrack
from protocol.sfu.packet_history import LONG_REPLAY
from protocol.sfu.rtt import RttEstimator
from protocol.webrtc.rtp import parse_header
from protocol.webrtc.sdp import MediaKind
from protocol.webrtc.srtp import SrtpProfile, SrtpTransmitter
from protocol.webrtc.stun import Address
from tests.support.media.fan_out_rig import keys_of
from tests.support.media.plain_media import PlainSource
from tests.support.media.rtp_packets import build_header
from tests.support.webrtc.media_peer import vp8_delta, vp8_key_frame

PAST = 3 * SLICE + 10
FIRST = 40_000
NOWHERE = ("192.0.2.1", 9)


@define(eq=False)
class KeepingOutlet:
    """It keeps the numbers of what is sent."""

    numbers: list[int] = field(factory=list)

    def sendto(self, data: bytes, _: Address, /) -> int:
        self.numbers.append(parse_header(data).sequence)
        return len(data)


class Watched:
    """A source that cannot be asked for key frames, and who watches it; nothing runs by itself."""

    def __init__(self, kind: MediaKind = MediaKind.VIDEO) -> None:
        self.now = 1000.0
        settings = Settings(ip=())
        self.context = MediaContext(
            settings=settings, sender=PortableSender(), clock=lambda: self.now, entropy=os.urandom
        )
        self.source = PlainSource(self.context, post=discard)
        self.source.publication.tracks[MediaKind.VIDEO].incoming.ring.replay_limits = LONG_REPLAY
        self.subscribers = self.source.publication.subscribers(kind)
        self.fed = 0

    def feed(self, count: int, *, key: bool = False) -> None:
        """So many pictures of a packet each, and the end of the pass."""
        packets = []
        for _ in range(count):
            header = build_header(
                payload_type=50, marker=True, sequence=FIRST + self.fed, timestamp=self.fed * 3000, ssrc=4242
            )
            packets.append(header + (vp8_key_frame() if key else vp8_delta()))
            self.fed += 1
        self.source.feed(MediaKind.VIDEO, packets)

    def join(self) -> tuple[Subscriber, KeepingOutlet]:
        outlet, transmitter = KeepingOutlet(), SrtpTransmitter(keys_of(1, SrtpProfile.AEAD_AES_128_GCM))
        outgoing = OutgoingTrack(
            payload_type=96,
            rtx_payload_type=None,
            rtx_ssrc=None,
            rtx_sequence=0,
            round_trip=RttEstimator(),
            now=self.now,
        )
        subscriber = Subscriber(
            outgoing=outgoing,
            recipient=Recipient(transmitter=transmitter, socket=outlet, address=NOWHERE),
            send_rtp=lambda packet: void(outlet.sendto(transmitter.protect(packet), NOWHERE)),
            send_rtcp=discard_bytes,
        )
        self.subscribers.join(subscriber, self.now)
        return subscriber, outlet

    def catch_up(self) -> int:
        """A pass for those who are behind; how many packets it sends."""
        before = self.context.counters.replayed
        self.context.catch_ups.go_on()
        return self.context.counters.replayed - before


def void(_: int) -> None:
    """It is not interesting."""


def discard_bytes(_: bytes) -> None:
    """Nobody reads reports."""


def numbers(start: int, end: int) -> list[int]:
    """Those that viewers get of the packets from `start` to before `end`, whose first one is below 32768."""
    return [FIRST + number & 0x7FFF for number in range(start, end)]


def test_the_past_comes_in_slices_of_all_together_and_the_present_after_it() -> None:
    watched = Watched()
    watched.feed(1, key=True)
    watched.feed(PAST - 1)
    joined = [watched.join() for _ in range(3)]
    passes = [watched.context.counters.replayed]
    assert passes == [SLICE], "the first begins at once, and the others when it is their turn"
    assert [bool(outlet.numbers) for _, outlet in joined] == [True, False, False]
    while len(watched.context.catch_ups):
        watched.feed(1)
        passes.append(watched.catch_up())
    assert max(passes) == SLICE
    watched.feed(2)
    for subscriber, outlet in joined:
        assert outlet.numbers == numbers(0, watched.fed)
        assert subscriber.sent[0] == watched.fed


def test_a_short_past_is_sent_at_once() -> None:
    watched = Watched()
    watched.feed(1, key=True)
    watched.feed(SLICE - 1)
    _, outlet = watched.join()
    assert not len(watched.context.catch_ups)
    watched.feed(1)
    assert outlet.numbers == numbers(0, watched.fed)


def test_who_leaves_or_begins_anew_on_the_way_gets_no_more_of_the_past() -> None:
    watched = Watched()
    watched.feed(1, key=True)
    watched.feed(PAST - 1)
    (leaving, left), (lagging, outlet), (waiting, nothing) = watched.join(), watched.join(), watched.join()
    assert watched.catch_up() == SLICE
    watched.subscribers.leave(leaving)
    assert watched.catch_up() == SLICE
    for subscriber in (lagging, waiting):
        watched.subscribers.restart(subscriber, watched.now)
    assert watched.catch_up() == 0
    begin = watched.fed
    watched.feed(1, key=True)
    watched.feed(1)
    assert left.numbers == numbers(0, 2 * SLICE)
    assert outlet.numbers == [*numbers(0, SLICE), *numbers(begin, watched.fed)]
    assert nothing.numbers == numbers(begin, watched.fed)
    for subscriber in (lagging, waiting):
        watched.subscribers.leave(subscriber)


def test_who_waits_for_his_turn_begins_with_what_is_the_last_key_frame_then() -> None:
    watched = Watched()
    watched.feed(1, key=True)
    watched.feed(PAST - 1)
    joined = [watched.join() for _ in range(300)]
    begin = watched.fed
    watched.feed(1, key=True)
    passes = 0
    while len(watched.context.catch_ups):
        watched.feed(1)
        watched.catch_up()
        passes += 1
    (_, first), *others = joined
    assert first.numbers == numbers(0, watched.fed)
    assert [outlet.numbers for _, outlet in others] == [numbers(begin, watched.fed)] * 299, "without a hole"
    assert passes < 300 * PAST / SLICE / 4, "far less than all of the past for each"


def test_a_key_frame_that_is_too_old_when_it_is_somebodys_turn_is_not_sent_any_more() -> None:
    watched = Watched()
    watched.feed(1, key=True)
    watched.feed(PAST - 1)
    (_, first), (waiting, outlet) = watched.join(), watched.join()
    watched.now += LONG_REPLAY.age + 1
    watched.feed(1)
    while len(watched.context.catch_ups):
        watched.catch_up()
    assert outlet.numbers == []
    begin = watched.fed
    watched.feed(2, key=True)
    assert outlet.numbers == numbers(begin, watched.fed)
    assert first.numbers[-2:] == outlet.numbers
    watched.subscribers.leave(waiting)


def test_a_viewer_that_moves_on_the_way_is_sent_the_present_where_it_is() -> None:
    watched = Watched()
    watched.feed(1, key=True)
    watched.feed(PAST - 1)
    subscriber, _ = watched.join()
    by_tcp = KeepingOutlet()
    watched.subscribers.readdress(subscriber, by_tcp, NOWHERE, by_tcp=True)
    while len(watched.context.catch_ups):
        watched.catch_up()
    watched.feed(2)
    assert by_tcp.numbers == numbers(PAST, watched.fed)
    watched.subscribers.leave(subscriber)
    watched.feed(1)
    assert by_tcp.numbers == numbers(PAST, watched.fed - 1)


@define(eq=False)
class OnTheWay:
    """A viewer that catches up in one slice, unless it is faulty."""

    is_faulty: bool = False
    has_caught_up: bool = False

    def send_past(self, most: int) -> int:
        if self.is_faulty:
            raise RuntimeError("it cannot be sent to")
        self.has_caught_up = True
        return most


def test_an_error_of_the_one_whose_turn_it_is_stops_none_of_those_who_wait() -> None:
    catch_ups, viewers = CatchUps(), [OnTheWay(), OnTheWay(is_faulty=True), OnTheWay()]
    for viewer in viewers:
        catch_ups.add(viewer)
    with pytest.raises(RuntimeError):
        catch_ups.go_on()
    catch_ups.go_on()
    assert [viewer.has_caught_up for viewer in viewers] == [True, False, True]
    assert not len(catch_ups)


def test_a_listener_begins_with_the_first_of_the_packets_that_come_together() -> None:
    watched = Watched(MediaKind.AUDIO)
    _, outlet = watched.join()
    heads = [
        build_header(payload_type=0, marker=False, sequence=FIRST + number, timestamp=960 * number, ssrc=1)
        for number in range(6)
    ]
    sound = [head + b"opus" for head in heads]
    watched.subscribers.take_run(MediaRun(FIRST, sound[:4], [watched.now] * 4, None))
    watched.subscribers.take_run(MediaRun(FIRST + 4, sound[4:], [watched.now] * 2, None))
    watched.context.flush()
    assert outlet.numbers == numbers(0, 6)
    assert watched.context.counters.forwarded == 6

"""A publisher's packets: the short way of a run gives what the long way of each packet gives."""

import math
from collections.abc import Sequence

import pytest
from attrs import define, frozen
from hypothesis import given
from hypothesis import strategies as st

from actors.media.context import MediaContext
from actors.media.drops import Drops
from actors.media.ingest.intake import Intake
from actors.media.ingest.publisher_feedback import PublisherFeedback
from actors.media.ingest.ssrc_table import SsrcTable
from actors.media.io.datagrams import STRIDE, Datagrams
from actors.media.sending.sender import PortableSender
from actors.media.tracks.published_track import PublishedTrack
from config.settings import Settings
from protocol.sfu.incoming_track import MediaPacket, MediaRun
from protocol.sfu.rtt import RttEstimator
from protocol.webrtc.sdp import Codec, MediaKind, TrackPlan
from protocol.webrtc.srtp import SrtpError, SrtpKeys, SrtpProfile, SrtpReceiver, SrtpTransmitter

VIDEO, AUDIO, RTX, STRANGER = 2222, 4444, 3333, 9999
TYPES = {VIDEO: 96, AUDIO: 111, RTX: 97, STRANGER: 96}
TWCC = 3
DATAGRAMS = Datagrams()


def keys(profile: SrtpProfile) -> SrtpKeys:
    key, salt = bytes(profile.key_size), bytes(profile.salt_size)
    return SrtpKeys(profile=profile, local_key=key, local_salt=salt, remote_key=key, remote_salt=salt)


@define(eq=False)
class Secured:
    """A transport of which only decryption is left."""

    receiver: SrtpReceiver | None
    drops: Drops
    session_id: str = "test"
    heard: float = -1.0
    copied_out: int = 0

    def unprotect(self, data: bytes, now: float) -> bytes | None:
        self.copied_out += 1
        assert self.receiver is not None
        try:
            plain = self.receiver.unprotect(data)
        except SrtpError as error:
            self.drops.count_undecrypted(error)
            return None
        self.hear(now)
        return plain

    def hear(self, now: float) -> None:
        self.heard = max(self.heard, now)  # as a path does


class Publisher:
    """An intake with all that belongs to it, and what has come out of it."""

    def __init__(
        self, profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM, *, twcc: int = TWCC, rate: int = 6000
    ) -> None:
        settings = Settings(max_publisher_packet_rate=rate)
        self.context = MediaContext(settings=settings, sender=PortableSender(), clock=lambda: 0.0, entropy=bytes)
        plans = (
            TrackPlan(
                kind=MediaKind.VIDEO,
                mid="0",
                codec=Codec(payload_type=96, name="VP8", clock_rate=90_000, rtcp_feedback=("nack", "nack pli")),
                rtx_payload_type=97,
                ssrc=VIDEO,
                rtx_ssrc=RTX,
                twcc_extension_id=twcc,
            ),
            TrackPlan(
                kind=MediaKind.AUDIO, mid="1", codec=Codec(payload_type=111, name="OPUS", clock_rate=48_000), ssrc=AUDIO
            ),
        )
        self.tracks = {
            plan.kind: PublishedTrack(
                plan.kind, plan.codec, ssrc=7, rtx_ssrc=8, round_trip=RttEstimator(), now=0.0, ask=lambda: None
            )
            for plan in plans
        }
        self.transport = Secured(
            SrtpReceiver(keys(profile)), Drops(self.context.counters, self.context.drop_log, "test")
        )
        self.sent: list[bytes] = []
        sources = SsrcTable(plans, self.tracks)
        self.feedback = PublisherFeedback(
            self.context, plans, sources, RttEstimator(), cname="test", send=self.sent.append
        )
        self.feedback.start(0.0)
        self.intake = Intake(self.context, self.transport, sources, self.feedback, self)
        self.taken: list[tuple[bool, MediaPacket | None, float]] = []
        self.runs: list[int] = []

    def take(self, track: PublishedTrack, packet: MediaPacket | None, now: float) -> None:
        self.taken.append((track.is_video, packet, now))

    def take_run(self, track: PublishedTrack, run: MediaRun) -> None:
        self.runs.append(len(run.packets))
        for packet, now in run.singly():
            self.take(track, packet, now)

    def read_together(self, packets: Sequence[tuple[float, bytes]]) -> None:
        for index, (_, data) in enumerate(packets):
            DATAGRAMS.memory[index * STRIDE : index * STRIDE + len(data)] = data
            DATAGRAMS.lengths[index] = len(data)
        DATAGRAMS.count = len(packets)
        DATAGRAMS.sizes = [len(data) for _, data in packets]
        DATAGRAMS.arrivals = [now for now, _ in packets]
        before = len(self.taken)
        newest = self.intake.take(DATAGRAMS, range(len(packets)))
        assert newest == (self.taken[-1][2] if len(self.taken) > before else -math.inf)

    def read_each(self, packets: Sequence[tuple[float, bytes]]) -> None:
        for now, data in packets:
            self.intake.take_single(data, now)

    def account(self, now: float) -> list[object]:
        """All that can be seen of it."""
        self.feedback.on_time(now)
        figures: list[object] = [self.taken, self.sent, self.transport.drops.total, self.transport.heard]
        figures.append(self.context.counters)
        for track in self.tracks.values():
            incoming = track.incoming
            figures += [incoming.packets, incoming.bytes, incoming.highest, incoming.lost, incoming.heard_at]
            figures += [incoming.key_frame_needed, incoming.is_apart, incoming.losses.deadline]
            figures += [incoming.report(1, now), incoming.wanted(now), incoming.replay(now)]
            figures.append([incoming.ring.get(number) for number in range(incoming.highest - 40, incoming.highest + 1)])
        return figures


@frozen
class Sent:
    """What may come next of a publisher."""

    ssrc: int = VIDEO
    step: int = 1
    type_: int = -1
    first: int = 0x90
    profile: int = 0xBEDE
    elements: bytes = b"\x31\x00\x00\x00"
    begins: bool = False
    size: int = 40
    marker: bool = False
    forged: bool = False
    pause: float = 0.001
    padding: bytes = b"\x00\x02"


ELEMENTS = (
    b"\x31\x12\x34\x00",  # the number comes first
    b"\x10\xaa\x31\x12\x34\x00\x00\x00",  # another one before it
    b"\x00\x00\x31\x12\x34\x00\x00\x00",  # padding before it
    b"\x12\x31\x12\x34",  # looks as if it were there
    b"\x32\x12\x34\x56",  # of another length
    b"\xf0\x31\x12\x34",  # nothing follows
    b"\x00\x00\x00\x31",  # cut off
    b"\x1f\x31\x12\x34",  # longer than the block
    b"",
)

PACKETS = st.builds(
    Sent,
    ssrc=st.sampled_from((VIDEO, VIDEO, VIDEO, AUDIO, RTX, STRANGER)),
    step=st.sampled_from((1, 1, 1, 1, 1, 0, 2, 3, -1, -2, 700, 20_000)),
    type_=st.sampled_from((-1, -1, -1, -1, 96, 97, 111, 50)),
    first=st.sampled_from((0x80, 0x90, 0x90, 0x90, 0x81, 0xA0, 0xB0, 0x91)),
    profile=st.sampled_from((0xBEDE, 0xBEDE, 0xBEDE, 0x1000, 0)),
    elements=st.sampled_from((*ELEMENTS, ELEMENTS[0], ELEMENTS[0])),
    begins=st.booleans(),
    size=st.sampled_from((0, 1, 2, 15, 16, 40, 600, 1000, 1500, 1520)),
    marker=st.booleans(),
    forged=st.sampled_from((False, False, False, False, False, True)),
    pause=st.sampled_from((0.0, 0.0, 0.001, 0.04, 0.6)),
    padding=st.sampled_from((b"\x00\x02", b"\x01", b"\x00", b"\x03", b"\xff", bytes(254) + b"\xff")),
)
GOOD = st.builds(
    Sent,
    begins=st.booleans(),
    marker=st.booleans(),
    size=st.sampled_from((1, 600, 1000)),
    first=st.sampled_from((0x90, 0x90, 0xB0)),
)


def on_the_wire(sent: Sequence[Sent], profile: SrtpProfile, start: int) -> list[tuple[float, bytes]]:
    """Encrypted, with the time of arrival."""
    transmitter, now, numbers = SrtpTransmitter(keys(profile)), 1.0, dict.fromkeys(TYPES, start)
    packets = []
    for each in sent:
        now += each.pause
        number = numbers[each.ssrc] = (numbers[each.ssrc] + each.step) & 0xFFFF
        kind = TYPES[each.ssrc] if each.type_ < 0 else each.type_
        head = bytes((each.first, each.marker << 7 | kind)) + number.to_bytes(2, "big")
        head += (number // 3 * 3000).to_bytes(4, "big") + each.ssrc.to_bytes(4, "big") + bytes(4 * (each.first & 0x0F))
        if each.first & 0x10:
            head += each.profile.to_bytes(2, "big") + (len(each.elements) // 4).to_bytes(2, "big") + each.elements
        body = (b"\x10\x10\x00\x00\x9d\x01\x2a\x80\x02\xe0\x01" if each.begins else b"\x80") + bytes(each.size)
        data = head + body[: each.size]
        if each.first & 0x20:
            data += each.padding
        try:
            secret = transmitter.protect(data)
        except SrtpError:  # too long, or far behind what was sent before
            continue
        packets.append((now, secret[:-1] + bytes((secret[-1] ^ 1,)) if each.forged else secret))
    return packets


@pytest.mark.parametrize("profile", list(SrtpProfile))
@pytest.mark.parametrize("start", [0, 65_530])
@given(st.data())
def test_a_run_gives_what_its_packets_give(profile: SrtpProfile, start: int, data: st.DataObject) -> None:
    sent = data.draw(st.lists(st.one_of(GOOD, GOOD, PACKETS), max_size=40))
    packets = on_the_wire(sent, profile, start)
    short, long = Publisher(profile), Publisher(profile)
    rest = packets
    while rest:
        count = data.draw(st.integers(1, min(len(rest), 9)))
        run, rest = rest[:count], rest[count:]
        short.context.fresh_from = long.context.fresh_from = run[-1][0] - data.draw(st.sampled_from((0.0, 0.5, 9.0)))
        short.read_together(run)
        long.read_each(run)
    end = packets[-1][0] + 0.2 if packets else 2.0
    assert short.account(end) == long.account(end)


@pytest.mark.parametrize("first", [0x90, 0xB0])
@pytest.mark.parametrize(("twcc", "long"), [(TWCC, 1), (20, 20)])
def test_ordinary_packets_go_the_short_way(first: int, twcc: int, long: int) -> None:
    publisher = Publisher(twcc=twcc)  # a number of 20 comes in no one-byte form
    packets = on_the_wire([Sent(begins=True, first=first)] * 20, SrtpProfile.AEAD_AES_128_GCM, 5)
    publisher.read_together(packets)
    assert len(publisher.taken) == 20
    assert publisher.transport.copied_out == long
    assert sum(publisher.runs) == 20 - long


def test_what_is_over_the_limit_is_dropped_from_a_run_too() -> None:
    publisher = Publisher(rate=10)
    packets = on_the_wire([Sent(pause=0.0)] * 15, SrtpProfile.AEAD_AES_128_GCM, 5)
    publisher.read_together(packets[:4])
    publisher.read_together(packets[4:])
    assert len(publisher.taken) == 10
    assert publisher.context.counters.over_packet_rate == 5

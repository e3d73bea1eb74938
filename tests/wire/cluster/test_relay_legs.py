"""Both ends of relays in one media plane, which calls itself: many legs between the same two addresses."""

import base64
import socket

import pytest
from attrs import define

from actors.media import relay_legs
from actors.media.events import Connected, MediaRefused, PeerClosed
from actors.media.ingest.publisher_feedback import REPORT_INTERVAL
from actors.media.ingest.relay_ingest import LEG_REPORT_INTERVAL, RelayIngest
from actors.media.relay_legs import MOST_PROMISED
from actors.media.relay_playback import RelayPlayback
from config.values.addresses import AddressPair
from protocol.webrtc.relay_leg import LegEnd, LegTrack
from protocol.webrtc.rtp import parse_header, payload
from protocol.webrtc.sdp import MediaKind
from protocol.webrtc.shared_address import SharedAddress, report_ssrc
from protocol.webrtc.stun import Address
from tests.support.media.media_rig import Facts, Rig, media_rig, until
from tests.support.media.plain_media import KeepingSink, PlainSource
from tests.support.media.rtp_packets import build_header
from tests.support.webrtc.media_peer import vp8_delta, vp8_key_frame


@define(eq=False)
class Relayed:
    """A publication, its leg, and what comes out of it."""

    source: PlainSource
    playback: RelayPlayback
    ingest: RelayIngest
    origin: Facts
    edge: Facts
    sink: KeepingSink
    sent: int = 0

    def feed(self, picture: bytes) -> None:
        head = build_header(payload_type=1, marker=True, sequence=self.sent, timestamp=self.sent * 3000, ssrc=1)
        self.source.feed(MediaKind.VIDEO, [head + picture])
        self.sent += 1

    @property
    def received(self) -> list[bytes]:
        packets = [packet.data for packet, _ in self.sink.packets]
        return [payload(data, parse_header(data)) for data in packets]


def relay(rig: Rig, source: PlainSource, name: str, address: Address | None = None) -> Relayed:
    """Begin a leg, from this plane to itself."""
    legs, origin, edge = rig.plane.relays, Facts(), Facts()
    credentials = legs.new_credentials()
    here = LegEnd.of(credentials, legs.fingerprint)
    playback = legs.serve(here, source.publication, pull=f"{name} out", post=origin.post)
    ingest = legs.pull(
        LegEnd.of(playback.credentials, legs.fingerprint),
        [LegTrack.of(track) for track in source.publication.sources],
        address or rig.plane.addresses[0],
        pull=f"{name} in",
        credentials=credentials,
        post=edge.post,
        source=None,
        heeds_requests=True,
    )
    sink = KeepingSink()
    ingest.publication.tracks[MediaKind.VIDEO].attach(sink)
    return Relayed(source, playback, ingest, origin, edge, sink)


async def connected(*legs: Relayed) -> None:
    for leg in legs:
        await leg.origin.until(Connected())
        await leg.edge.until(Connected())


def plain_source(rig: Rig) -> PlainSource:
    return PlainSource(rig.plane.context, post=lambda event: None)


async def test_legs_between_the_same_addresses_are_told_apart() -> None:
    async with media_rig() as rig:
        legs = [relay(rig, plain_source(rig), name) for name in ("one", "two", "three")]
        await connected(*legs)
        assert len(rig.plane.relays.receivers) == 1
        pictures = [[vp8_key_frame(bytes([n])), vp8_delta(bytes([n]) * 900)] for n in range(3)]
        for picture in range(2):
            for leg, some in zip(legs, pictures, strict=True):
                leg.feed(some[picture])
        await until(lambda: all(len(leg.sink.packets) == 2 for leg in legs))
        assert [leg.received for leg in legs] == pictures
        asked = [leg.source.key_frames_asked for leg in legs]

        def has_asked() -> bool:
            legs[1].ingest.publication.request_key_frame()
            return legs[1].source.key_frames_asked > asked[1]

        await until(has_asked)
        assert [leg.source.key_frames_asked > before for leg, before in zip(legs, asked, strict=True)] == [
            False, True, False,
        ]  # fmt: skip


async def test_an_edge_reports_less_often_than_a_publisher_is_told() -> None:
    async with media_rig() as rig:
        began = rig.plane.context.clock()
        leg = relay(rig, plain_source(rig), "one")
        await connected(leg)
        assert leg.ingest.deadline >= began + LEG_REPORT_INTERVAL > began + REPORT_INTERVAL


async def test_what_a_leg_begins_with_is_not_over_the_limits_of_a_publisher() -> None:
    """An origin sends at once what has come since the last key frame, padded."""
    async with media_rig(max_publisher_packet_rate=20, max_publisher_bitrate=20) as rig:
        leg = relay(rig, plain_source(rig), "one")
        await connected(leg)
        for picture in (vp8_key_frame(), *(vp8_delta(bytes(200)) for _ in range(29))):
            leg.feed(picture)
        await until(lambda: len(leg.sink.packets) == 30)
        assert not rig.plane.drops["over_packet_rate"] + rig.plane.drops["over_bitrate"]


async def test_the_end_of_one_leg_is_the_end_of_none_beside_it() -> None:
    async with media_rig() as rig:
        legs = [relay(rig, plain_source(rig), name) for name in ("one", "two", "three")]
        await connected(*legs)
        legs[0].playback.close()
        await legs[0].edge.until(PeerClosed())
        rig.plane.relays.end(legs[1].ingest)
        await legs[1].origin.until(PeerClosed())
        legs[2].feed(vp8_key_frame(b"goes on"))
        await until(lambda: len(legs[2].sink.packets) == 1)
        assert len(rig.plane.relays) == 2
        assert not legs[2].ingest.closed


async def test_a_leg_whose_ssrcs_another_one_has_gets_another_socket() -> None:
    async with media_rig() as rig:
        source = plain_source(rig)
        legs = [relay(rig, source, name) for name in ("one", "again")]
        await connected(*legs)
        assert len(rig.plane.relays.receivers) == 2
        legs[0].feed(vp8_key_frame(b"twice"))
        await until(lambda: all(len(leg.sink.packets) == 1 for leg in legs))
        rig.plane.relays.end(legs[0].ingest)
        await connected(relay(rig, source, "a third time"))
        assert len(rig.plane.relays.receivers) == 2


async def test_dtls_in_stun_counts_only_from_the_address_of_a_leg() -> None:
    async with media_rig() as rig:
        leg = relay(rig, plain_source(rig), "one")
        browser = await rig.publish()
        await connected(leg)
        before, ufrags = rig.plane.statistics().unexpected, (leg.playback.credentials[0], browser.peer.answer.ufrag)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for ufrag in ufrags:
                for datagram in (b"", b"\x16\xfe\xfd", b"\x15" * 20):
                    shares = SharedAddress(ssrcs=(), username=f"{ufrag}:x")
                    stranger.sendto(shares.wrap(datagram, bytes(12)), rig.plane.addresses[0])
        await until(lambda: rig.plane.statistics().unexpected == before + 6)
        leg.feed(vp8_key_frame(b"goes on"))
        await until(lambda: len(leg.sink.packets) == 1)


async def test_legs_pass_ipv6() -> None:
    async with media_rig(ip=(AddressPair("::1"),)) as rig:
        leg = relay(rig, plain_source(rig), "six")
        await connected(leg)
        leg.feed(vp8_key_frame(b"six"))
        await until(lambda: len(leg.sink.packets) == 1)


@pytest.mark.parametrize("address", [("no address", 5000), ("127.0.0.1", 0), ("255.255.255.255", 5000)])
async def test_there_is_no_way_to_what_is_no_address(address: Address) -> None:
    async with media_rig() as rig:
        with pytest.raises(MediaRefused, match="no way to"):
            relay(rig, plain_source(rig), "nowhere", address)
        assert len(rig.plane.relays) == 0


async def test_no_two_legs_report_under_the_same_ssrc() -> None:
    same = [b"NzfvCSm7", b"mWbUV2ts"]
    assert len({report_ssrc(ufrag.decode()) for ufrag in same}) == 1
    async with media_rig() as rig:
        given = iter([*same, b"AAAAAAAA", *same, b"BBBBBBBB"])
        real = rig.plane.context.entropy
        rig.plane.context.entropy = lambda count: base64.b64decode(next(given)) if count == 6 else real(count)
        legs = rig.plane.relays
        assert [legs.new_credentials()[0] for _ in range(2)] == ["NzfvCSm7", "AAAAAAAA"]
        assert legs.new_credentials()[0] == "BBBBBBBB"


async def test_the_ssrc_of_a_leg_is_taken_for_as_long_as_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    async with media_rig() as rig:
        taken = "leg+ufrag"
        with monkeypatch.context() as patch:
            patch.setattr(relay_legs, "make_credentials", lambda entropy: (taken, "password" * 3))
            leg = relay(rig, plain_source(rig), "one")
        for _ in range(MOST_PROMISED):  # as many as are remembered beside the legs
            rig.plane.relays.new_credentials()
        given = [(taken, "password"), ("other", "password")]
        monkeypatch.setattr(relay_legs, "make_credentials", lambda entropy: given.pop(0))
        assert rig.plane.relays.new_credentials()[0] == "other"
        rig.plane.relays.end(leg.ingest)
        given.append((taken, "password"))
        assert rig.plane.relays.new_credentials()[0] == taken

"""What two nodes agree on without SDP, and the ICE agent that calls."""

from collections import Counter
from collections.abc import Callable

import pytest
from attrs import evolve

from protocol.webrtc.consent import IceExpiry
from protocol.webrtc.ice import IceLiteAgent, recipient
from protocol.webrtc.ice_caller import CALL_INTERVAL, CALL_TIMEOUT, LOST_AFTER, IceCaller
from protocol.webrtc.negotiation import negotiate_play, negotiate_publish
from protocol.webrtc.paths import IcePath
from protocol.webrtc.relay_leg import (
    LegEnd,
    LegTrack,
    edge_roles,
    is_same_media,
    origin_roles,
    publisher_offer,
    viewer_offer,
)
from protocol.webrtc.sdp import Codec, Fingerprint, MediaKind, NoCommonCodecs, Setup, SourceTrack
from protocol.webrtc.stun import parse

FINGERPRINT = Fingerprint(algorithm="sha-256", value="AA:BB")
END = LegEnd.of(("edgeufrag", "p" * 24), FINGERPRINT)
OPUS = Codec(payload_type=111, name="OPUS", clock_rate=48_000, channels=2, fmtp="minptime=10;useinbandfec=1")
H264 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
CODECS = [
    Codec(payload_type=96, name="VP8", clock_rate=90_000),
    Codec(payload_type=125, name="H264", clock_rate=90_000, fmtp=H264),
    Codec(payload_type=98, name="VP9", clock_rate=90_000, fmtp="profile-id=0"),
    Codec(payload_type=35, name="AV1", clock_rate=90_000),
]
EDGE, ORIGIN = ("198.51.100.1", 40_000), ("198.51.100.2", 31_001)


def sources(video: Codec) -> tuple[SourceTrack, ...]:
    return (
        SourceTrack(kind=MediaKind.AUDIO, codec=OPUS, ssrc=1),
        SourceTrack(kind=MediaKind.VIDEO, codec=video, ssrc=2, rtx_ssrc=3),
    )


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_both_ends_plan_the_same_tracks(codec: Codec) -> None:
    published = sources(codec)
    tracks = [LegTrack.of(source) for source in published]
    sent = negotiate_play(viewer_offer(END, tracks), published)
    taken = negotiate_publish(publisher_offer(END, tracks), [track.codec for track in tracks])
    for plan, other in zip(sent, taken, strict=True):
        assert (plan.kind, plan.ssrc, plan.rtx_ssrc) == (other.kind, other.ssrc, other.rtx_ssrc)
        assert (plan.codec, plan.rtx_payload_type) == (other.codec, other.rtx_payload_type)
        assert other.twcc_extension_id is None
        assert not other.uses_remb
    assert [plan.codec.fmtp for plan in taken] == [OPUS.fmtp, codec.fmtp]
    assert taken[1].rtx_ssrc == 3


def test_the_edge_is_the_dtls_client_of_a_peer_whose_certificate_it_knows() -> None:
    tracks = [LegTrack.of(source) for source in sources(CODECS[0])]
    assert viewer_offer(END, tracks).setup is Setup.ACTIVE
    offer = publisher_offer(END, tracks)
    assert (offer.setup, offer.fingerprints) == (Setup.PASSIVE, (FINGERPRINT,))


def test_a_codec_of_a_newer_version_is_refused() -> None:
    (track,) = [LegTrack.of(source) for source in sources(CODECS[0])][1:]
    with pytest.raises(NoCommonCodecs):
        publisher_offer(END, [evolve(track, codec="VVC")])


def test_viewers_can_go_on_with_the_same_media_under_other_ssrcs_only() -> None:
    before = [LegTrack.of(source) for source in sources(CODECS[0])]
    again = [LegTrack.of(SourceTrack(kind=t.kind, codec=t.leg_codec, ssrc=9, rtx_ssrc=None)) for t in before]
    assert is_same_media(before, again)
    assert not is_same_media(before, before[1:])
    assert not is_same_media(before, [LegTrack.of(source) for source in sources(CODECS[1])])


def entropy() -> Callable[[int], bytes]:
    drawn = Counter[str]()

    def draw(size: int) -> bytes:
        drawn["times"] += 1
        return drawn["times"].to_bytes(size, "big")

    return draw


def ends() -> tuple[IceCaller, IceLiteAgent]:
    caller = IceCaller("edgeEDGE", "e" * 24, "origORIG", "o" * 24, 0.0, entropy=entropy(), path=IcePath(ORIGIN, 7))
    lite = IceLiteAgent("origORIG", "o" * 24, "edgeEDGE", "e" * 24, 0.0, entropy=entropy())
    return caller, lite


def call(caller: IceCaller, lite: IceLiteAgent, now: float, *, is_heard: bool = True) -> None:
    """What is due at the caller goes there and back."""
    caller.on_time(now)
    for check in caller.take_checks():
        assert check.path == IcePath(ORIGIN, 7)
        if is_heard:
            effect = lite.handle(parse(check.datagram), EDGE, now, size=len(check.datagram))
            assert effect.response is not None
            caller.handle_response(parse(effect.response), ORIGIN, now, local=7)


def test_a_caller_begins_and_both_know_the_path() -> None:
    caller, lite = ends()
    assert caller.deadline == 0.0
    call(caller, lite, 0.0)
    assert caller.path == IcePath(ORIGIN, 7)
    assert lite.paths == (IcePath(EDGE, 0),)
    (back,) = lite.take_checks()
    effect = caller.handle(parse(back.datagram), ORIGIN, 0.0, size=len(back.datagram), local=7)
    assert effect.response is not None
    lite.handle_response(parse(effect.response), EDGE, 0.0)
    assert lite.path == IcePath(EDGE, 0)


def test_no_check_is_needed_while_media_comes() -> None:
    caller, lite = ends()
    call(caller, lite, 0.0)
    path = IcePath(ORIGIN, 7)
    for tenth in range(1, 60):
        caller.touch(path, tenth / 10)
        caller.on_time(tenth / 10)
    assert not caller.take_checks()
    assert caller.deadline == pytest.approx(5.9 + CALL_INTERVAL, abs=CALL_INTERVAL)
    caller.on_time(5.9 + CALL_INTERVAL)
    assert [check.path for check in caller.take_checks()] == [path]


def test_each_end_knows_what_the_other_sends_at_a_shared_address() -> None:
    tracks = [LegTrack.of(source) for source in sources(CODECS[0])]
    edge, origin = ("edgeEDGE", "e" * 24), ("origORIG", "o" * 24)
    calls = edge_roles(IcePath(ORIGIN, 7), edge, LegEnd.of(origin, FINGERPRINT), tracks)
    waits = origin_roles(origin, LegEnd.of(edge, FINGERPRINT))
    assert calls.shares is not None
    assert waits.shares is not None
    assert calls.shares.ssrcs == (1, 2, 3)
    assert waits.shares.ssrcs == (calls.reports_as,)
    wrapped = parse(calls.shares.wrap(b"a flight", bytes(12)))
    assert (recipient(wrapped), wrapped.dtls) == ("origORIG", b"a flight")
    assert recipient(parse(waits.shares.wrap(b"", bytes(12)))) == "edgeEDGE"


def test_a_call_is_repeated_and_given_up() -> None:
    caller, lite = ends()
    times: list[float] = []
    while caller.expired(caller.deadline) is None and len(times) < 100:
        times.append(caller.deadline)
        call(caller, lite, times[-1], is_heard=False)
    assert len(times) > CALL_TIMEOUT / CALL_INTERVAL
    assert caller.expired(CALL_TIMEOUT) is IceExpiry.NO_CHECK


def test_a_peer_that_answers_no_checks_is_lost_though_it_was_heard_before() -> None:
    caller, lite = ends()
    for now in (0.0, 1.0, 2.0):
        call(caller, lite, now)
    assert caller.expired(2.0 + LOST_AFTER - 0.1) is None
    assert caller.expired(2.0 + LOST_AFTER) is not None

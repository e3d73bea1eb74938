"""Which formats a call has, and what becomes of each on the way."""

from types import MappingProxyType

import pytest

from protocol.calls.codecs import (
    TELEPHONE_EVENT,
    CallCodecs,
    answer_page,
    answer_phone,
    page_offer,
    phone_offer,
)
from protocol.calls.g711 import ALAW_TO_ULAW, ULAW_TO_ALAW
from protocol.webrtc.sdp import Codec, Direction, MediaKind, MediaSection

OPUS = Codec(payload_type=111, name="OPUS", clock_rate=48_000, channels=2)
G722 = Codec(payload_type=9, name="G722", clock_rate=8_000)
PCMU = Codec(payload_type=0, name="PCMU", clock_rate=8_000)
PCMA = Codec(payload_type=8, name="PCMA", clock_rate=8_000)
NOISE = Codec(payload_type=13, name="CN", clock_rate=8_000)
EVENTS = Codec(payload_type=126, name=TELEPHONE_EVENT, clock_rate=8_000)
WIDE_EVENTS = Codec(payload_type=110, name=TELEPHONE_EVENT, clock_rate=48_000)


def section(*codecs: Codec, companions: tuple[Codec, ...] = (NOISE, WIDE_EVENTS, EVENTS)) -> MediaSection:
    return MediaSection(
        media="audio",
        kind=MediaKind.AUDIO,
        protocol="UDP/TLS/RTP/SAVPF",
        formats=(),
        mid="0",
        direction=Direction.SENDRECV,
        codecs=codecs,
        extensions=MappingProxyType({}),
        ssrcs=(),
        fid_groups=(),
        rtcp_rsize=True,
        companions=companions,
    )


def shown(codecs: tuple[Codec, ...]) -> list[tuple[str, int, int]]:
    return [(codec.name, codec.payload_type, codec.clock_rate) for codec in codecs]


def test_a_phone_is_offered_what_the_page_has_and_events_for_each_clock() -> None:
    offered = phone_offer(section(OPUS, G722, PCMU, PCMA), ())
    assert shown(offered) == [
        ("OPUS", 111, 48_000),
        ("G722", 9, 8_000),
        ("PCMU", 0, 8_000),
        ("PCMA", 8, 8_000),
        ("CN", 13, 8_000),
        (TELEPHONE_EVENT, 110, 48_000),
        (TELEPHONE_EVENT, 126, 8_000),
    ]


def test_events_of_a_page_without_them_are_numbered_by_us() -> None:
    offered = phone_offer(section(OPUS, PCMU, companions=()), ("OPUS",))
    assert shown(offered) == [("PCMU", 0, 8_000), (TELEPHONE_EVENT, 101, 8_000)]
    assert phone_offer(section(OPUS), ("OPUS",)) == ()


def test_the_page_is_answered_in_the_order_of_the_phone() -> None:
    assert shown(answer_page(section(OPUS, G722, PCMU, PCMA), (PCMA, EVENTS, PCMU), ())) == [
        ("PCMA", 8, 8_000),
        ("PCMU", 0, 8_000),
    ]
    assert shown(answer_page(section(OPUS, PCMU), (NOISE, PCMU), ())) == [("PCMU", 0, 8_000), ("CN", 13, 8_000)]


def test_the_other_law_serves_where_the_page_has_left_one_out() -> None:
    assert shown(answer_page(section(PCMA), (PCMU,), ())) == [("PCMA", 8, 8_000)]
    assert answer_page(section(OPUS), (PCMU,), ()) == ()


def test_packets_pass_by_their_names_and_laws_by_a_table() -> None:
    phone_opus = Codec(payload_type=96, name="OPUS", clock_rate=48_000, channels=2)
    codecs = CallCodecs(page=(OPUS, PCMU), phone=(phone_opus, PCMA, EVENTS))
    to_phone, to_page = codecs.to_phone, codecs.to_page
    assert (to_phone[111].codec.payload_type, to_phone[111].table) == (96, None)
    assert (to_phone[0].codec.payload_type, to_phone[0].table) == (8, ULAW_TO_ALAW)
    assert (to_page[96].codec.payload_type, to_page[8].table) == (111, ALAW_TO_ULAW)
    assert EVENTS.payload_type not in to_page


@pytest.mark.parametrize(
    ("page", "phone", "wanted"),
    [
        ((PCMU,), (PCMU, EVENTS), EVENTS),
        ((OPUS, PCMU), (OPUS, PCMU, EVENTS, WIDE_EVENTS), WIDE_EVENTS),
        ((OPUS,), (OPUS, EVENTS), None),
    ],
)
def test_digits_have_the_clock_of_the_voice(
    page: tuple[Codec, ...], phone: tuple[Codec, ...], wanted: Codec | None
) -> None:
    assert CallCodecs(page=page, phone=phone).event_format == wanted


def test_a_change_is_followed_while_the_phone_takes_what_the_page_sends() -> None:
    codecs = CallCodecs(page=(PCMU, OPUS), phone=(PCMU,))
    followed = codecs.follow((PCMA,))
    assert followed is not None
    assert followed.to_phone[0].table == ULAW_TO_ALAW
    assert codecs.follow((OPUS, G722)) is None


def test_a_page_that_is_called_is_offered_what_the_phone_has_and_the_other_law() -> None:
    phone_opus = Codec(payload_type=0x60, name="OPUS", clock_rate=48_000, channels=2)
    assert shown(page_offer((PCMA, phone_opus, NOISE, EVENTS), ())) == [
        ("PCMA", 8, 8_000),
        ("OPUS", 96, 48_000),
        ("PCMU", 0, 8_000),
        ("CN", 13, 8_000),
    ]
    assert page_offer((EVENTS,), ()) == ()
    assert page_offer((PCMA,), ("PCMA", "PCMU")) == ()


def test_the_phone_is_answered_with_what_the_page_sends_first() -> None:
    answered = answer_phone((G722, PCMU, PCMA, NOISE, EVENTS, WIDE_EVENTS), (PCMA, G722))
    assert [codec.name for codec in answered] == ["PCMU", "PCMA", "G722", TELEPHONE_EVENT]
    assert answered[-1] == EVENTS
    assert answer_phone((G722, EVENTS), (OPUS,)) == ()


def test_the_laws_lose_no_more_than_a_step() -> None:
    there_and_back = bytes(range(256)).translate(ULAW_TO_ALAW).translate(ALAW_TO_ULAW)
    assert sum(abs(one - other) <= 1 for one, other in zip(there_and_back, range(256), strict=True)) >= 250
    assert b"\xff\x7f".translate(ULAW_TO_ALAW) == b"\xd5\xd5"

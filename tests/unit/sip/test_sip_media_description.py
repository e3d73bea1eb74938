"""Session descriptions of phones: what they offer and answer, hold in its old and new form, keys, and our own texts."""

import base64

import pytest

from protocol.sip.messages.media_description import (
    AudioDescription,
    CryptoAttribute,
    Origin,
    answered_direction,
    choose_crypto,
    parse_description,
    write_answer,
    write_offer,
)
from protocol.sip.messages.message import SipError
from protocol.webrtc.sdp import Codec, Direction

KEY = bytes(range(30))
KEY_TEXT = base64.b64encode(KEY).decode()
PHONE = """v=0
o=root 1821 1821 IN IP4 192.0.2.5
s=Asterisk PBX
c=IN IP4 192.0.2.5
t=0 0
m=audio 15432 RTP/AVP 9 8 0 18 101
a=rtpmap:9 G722/8000
a=rtpmap:18 G729/8000
a=fmtp:18 annexb=no
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=sendrecv
m=video 15500 RTP/AVP 99
a=rtpmap:99 H264/90000
"""
PCMA = Codec(payload_type=8, name="PCMA", clock_rate=8000)
PCMU = Codec(payload_type=0, name="PCMU", clock_rate=8000)
OPUS = Codec(payload_type=111, name="OPUS", clock_rate=48000, channels=2)
EVENTS = Codec(payload_type=101, name="TELEPHONE-EVENT", clock_rate=8000, fmtp="0-16")
EVENTS_OF_OPUS = Codec(payload_type=110, name="TELEPHONE-EVENT", clock_rate=48000, fmtp="0-16")
ORIGIN = Origin(session_id=7, version=1, address="192.0.2.1")


def phone(old: str = "", new: str = "") -> bytes:
    assert old in PHONE
    return PHONE.replace(old, new).encode()


def ours(**changes: object) -> AudioDescription:
    values: dict[str, object] = {"address": "192.0.2.1", "port": 31002, "rtcp_port": 31003, "codecs": (PCMA, EVENTS)}
    return AudioDescription(**(values | changes))  # type: ignore[arg-type] # each test knows what it gives


def test_what_a_phone_offers() -> None:
    found = parse_description(phone())
    audio = found.audio
    assert (audio.address, audio.port, audio.rtcp_port, audio.ptime) == ("192.0.2.5", 15432, 15433, 20)
    assert [codec.name for codec in audio.codecs] == ["G722", "PCMA", "PCMU", "G729", "TELEPHONE-EVENT"]
    assert (audio.direction, audio.is_secure, found.index) == (Direction.SENDRECV, False, 0)


@pytest.mark.parametrize(
    ("old", "new", "direction"),
    [
        ("a=sendrecv\n", "", Direction.SENDRECV),
        ("sendrecv", "sendonly", Direction.SENDONLY),
        ("sendrecv", "inactive", Direction.INACTIVE),
        ("c=IN IP4 192.0.2.5", "c=IN IP4 0.0.0.0", Direction.SENDONLY),
        ("a=sendrecv\n", "c=IN IP4 0.0.0.0\na=recvonly\n", Direction.INACTIVE),
        ("t=0 0\n", "t=0 0\na=inactive\n", Direction.SENDRECV),
    ],
)
def test_hold_as_old_and_new_phones_write_it(old: str, new: str, direction: Direction) -> None:
    assert parse_description(phone(old, new)).audio.direction is direction


def test_the_connection_of_the_section_counts_and_rtcp_where_it_says() -> None:
    found = parse_description(phone("a=sendrecv", "c=IN IP6 2001:db8::9\na=rtcp:20001 IN IP6 2001:db8::9")).audio
    assert (found.address, found.rtcp_port) == ("2001:db8::9", 20001)
    assert parse_description(phone("a=sendrecv", "a=rtcp-mux")).audio.rtcp_port == 15432


SECURE = (
    "m=audio 4000 RTP/SAVP 0\n"
    "a=crypto:1 F8_128_HMAC_SHA1_80 inline:x\n"
    f"a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}|2^31|1:4\n"
    f"a=crypto:6 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}|1:4\n"
    f"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}|2^31\n"
)


def test_keys() -> None:
    audio = parse_description(phone("m=video 15500 RTP/AVP 99\na=rtpmap:99 H264/90000\n", SECURE), prefer_secure=True)
    assert audio.index == 1
    assert audio.audio.crypto == (CryptoAttribute(tag=2, suite="AES_CM_128_HMAC_SHA1_80", key=KEY),)
    assert choose_crypto(audio.audio.crypto) == audio.audio.crypto[0]
    assert KEY_TEXT not in repr(audio)
    plain = parse_description(phone("m=video 15500 RTP/AVP 99\na=rtpmap:99 H264/90000\n", SECURE))
    assert plain.index == 0


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("v=0\n", "", 400),
        ("m=audio 15432", "m=audio 0", 488),
        ("m=audio 15432", "m=audio x", 400),
        ("RTP/AVP 9 8", "UDP/TLS/RTP/SAVPF 9 8", 488),
        ("RTP/AVP 9 8", "RTP/SAVP 9 8", 488),
        ("c=IN IP4 192.0.2.5", "c=IN IP4 phone.example.com", 488),
        ("a=ptime:20\n", "m=audio 9 RTP/AVP 0\n" * 17, 413),
        ("a=ptime:20\n", "a=x\n" * 1000, 400),
    ],
)
def test_what_cannot_be_used(old: str, new: str, status: int) -> None:
    with pytest.raises(SipError) as caught:
        parse_description(phone(old, new))
    assert caught.value.status_hint == status


def test_an_offer_of_ours_is_read_as_it_was_meant() -> None:
    crypto = CryptoAttribute(tag=1, suite="AES_CM_128_HMAC_SHA1_80", key=KEY)
    for audio in (
        ours(codecs=(OPUS, PCMA, EVENTS_OF_OPUS, EVENTS), ptime=20),
        ours(protocol="RTP/SAVP", crypto=(crypto,), direction=Direction.SENDONLY),
        ours(address="2001:db8::1", rtcp_mux=True, rtcp_port=31002),
    ):
        assert parse_description(write_offer(ORIGIN, audio)).audio == audio


def test_an_answer_refuses_what_is_not_audio() -> None:
    offer = parse_description(phone())
    text = write_answer(ORIGIN.next(), ours(), offer).decode()
    assert "m=audio 31002 RTP/AVP 8 101\r\n" in text
    assert "m=video 0 RTP/AVP 99\r\n" in text
    assert text.startswith("v=0\r\no=wcsd 7 2 IN IP4 192.0.2.1\r\n")


@pytest.mark.parametrize(
    ("offered", "wanted", "answered"),
    [
        ("sendrecv", "sendrecv", "sendrecv"),
        ("sendonly", "sendrecv", "recvonly"),
        ("recvonly", "sendrecv", "sendonly"),
        ("inactive", "sendrecv", "inactive"),
        ("sendrecv", "sendonly", "sendonly"),
        ("sendonly", "sendonly", "inactive"),
    ],
)
def test_directions(offered: str, wanted: str, answered: str) -> None:
    assert answered_direction(Direction(offered), Direction(wanted)) is Direction(answered)

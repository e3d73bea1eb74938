"""What is said to a phone of our media, and what its SDP means."""

import base64

import pytest
from attrs import evolve

from protocol.calls.info_texts import CallRefused
from protocol.calls.phone_sdp import PhoneDialogue, PhoneOffers, read_phone
from protocol.calls.protection import MediaProtection, SdesRule, media_protection
from protocol.sip.messages.media_description import Origin, parse_description
from protocol.webrtc.sdp import Codec, Direction

PCMA = Codec(payload_type=8, name="PCMA", clock_rate=8_000)
EVENTS = Codec(payload_type=101, name="TELEPHONE-EVENT", clock_rate=8_000, fmtp="0-15")
OURS = PhoneDialogue(
    address=("192.0.2.1", 31_002),
    origin=Origin(session_id=5, version=1, address="192.0.2.1"),
    secret=bytes(range(30)),
)
EITHER, ONLY_SRTP = MediaProtection(srtp=True), MediaProtection(srtp=True, plain=False)
PLAIN = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)
SAVP = PLAIN.replace(b"RTP/AVP", b"RTP/SAVP") + (
    b"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:HR4dHR4dHR4dHR4dHR4dHR4dHR4dHR4dHR4dHR4d\r\n"
)


def test_our_offer_says_where_and_what() -> None:
    audio = parse_description(OURS.offer((PCMA, EVENTS))).audio
    assert (audio.address, audio.port, audio.rtcp_port) == ("192.0.2.1", 31_002, 31_003)
    assert [codec.name for codec in audio.codecs] == ["PCMA", "TELEPHONE-EVENT"]
    assert audio.direction is Direction.SENDRECV
    assert b"o=wcsd 5 2 " in OURS.next().offer((PCMA,), Direction.SENDONLY)


@pytest.mark.parametrize(
    ("theirs", "held", "ours"),
    [
        ("sendrecv", False, Direction.SENDRECV),
        ("sendrecv", True, Direction.SENDONLY),
        ("sendonly", False, Direction.RECVONLY),
        ("sendonly", True, Direction.INACTIVE),
        ("inactive", False, Direction.INACTIVE),
    ],
)
def test_our_answer_fits_what_the_phone_wants(theirs: str, held: bool, ours: Direction) -> None:
    offer = read_phone(PLAIN + f"a={theirs}\r\n".encode())
    assert parse_description(OURS.answer(offer, (PCMA,), held=held)).audio.direction is ours


def test_a_phone_on_hold_is_not_sent_to() -> None:
    remote = OURS.remote(read_phone(PLAIN))
    assert (remote.address, remote.rtcp, remote.holds) == (("192.0.2.9", 4000), ("192.0.2.9", 4001), False)
    assert OURS.remote(read_phone(PLAIN + b"a=sendonly\r\n")).holds
    old = OURS.remote(read_phone(PLAIN.replace(b"c=IN IP4 192.0.2.9", b"c=IN IP4 0.0.0.0")))
    assert (old.address, old.holds) == (None, True)


@pytest.mark.parametrize(
    ("address", "signalling", "allowed"),
    [
        ("8.8.8.8", "8.8.4.4", True),
        ("10.0.0.7", "10.0.0.1", True),
        ("127.0.0.1", "8.8.4.4", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("::ffff:127.0.0.1", "8.8.4.4", False),
        ("::ffff:0.0.0.0", "8.8.4.4", False),
        ("0.0.0.1", "8.8.4.4", False),
        ("224.0.0.251", "127.0.0.1", False),
        ("255.255.255.255", "10.0.0.1", False),
        ("ff02::fb", "::1", False),
        ("169.254.169.254", "10.0.0.1", False),
        ("169.254.1.1", "169.254.1.1", True),
    ],
)
def test_media_goes_to_one_host_and_to_this_machine_only_where_sip_does(
    address: str, signalling: str, allowed: bool
) -> None:
    family = b"IP6 " if ":" in address else b"IP4 "
    description = read_phone(PLAIN.replace(b"c=IN IP4 192.0.2.9", b"c=IN " + family + address.encode()))
    ours = evolve(OURS, signalling=(signalling,))
    if allowed:
        assert ours.remote(description).address == (address, 4000)
    else:
        with pytest.raises(CallRefused):
            ours.remote(description)


def test_keys_in_sdp_are_taken_where_nobody_reads_them_on_the_way() -> None:
    offer = read_phone(SAVP)
    with pytest.raises(CallRefused, match="not allowed"):
        OURS.remote(offer)
    safe = evolve(OURS, protection=EITHER)
    keys = safe.remote(offer).keys
    assert keys is not None
    assert (keys.local_key + keys.local_salt, keys.remote_key) == (bytes(range(30)), offer.audio.crypto[0].key[:16])
    answer = parse_description(safe.answer(offer, (PCMA,), held=False)).audio
    assert (answer.protocol, answer.crypto[0].tag, answer.crypto[0].key) == ("RTP/SAVP", 2, bytes(range(30)))
    assert "HR4d" not in repr(safe) + repr(keys)


def test_srtp_is_offered_first_and_plain_rtp_to_who_refuses_it() -> None:
    offers = evolve(OURS, protection=EITHER).first_offers((PCMA,))
    first, fallback = read_phone(offers.first).audio, read_phone(offers.fallback).audio
    assert (first.protocol, [(each.suite, each.key) for each in first.crypto]) == (
        "RTP/SAVP",
        [("AES_CM_128_HMAC_SHA1_80", bytes(range(30)))],
    )
    assert (fallback.protocol, fallback.crypto) == ("RTP/AVP", ())
    assert OURS.first_offers((PCMA,)) == PhoneOffers(first=OURS.offer((PCMA,)))
    assert evolve(OURS, protection=ONLY_SRTP).first_offers((PCMA,)).fallback is None
    assert base64.b64encode(bytes(range(30))).decode() not in repr(offers)


def test_a_later_offer_is_of_what_has_been_agreed_on() -> None:
    ours = evolve(OURS, protection=EITHER)
    assert read_phone(ours.offer((PCMA,))).audio.protocol == "RTP/AVP"
    agreed = evolve(ours, is_secure=True).next()
    again = read_phone(agreed.offer((PCMA,), Direction.SENDONLY)).audio
    assert (again.protocol, again.crypto[0].key) == ("RTP/SAVP", ours.secret)


def test_a_call_that_must_be_encrypted_is_not_made_in_the_clear() -> None:
    ours = evolve(OURS, protection=ONLY_SRTP)
    with pytest.raises(CallRefused) as refused:
        ours.remote(read_phone(PLAIN))
    assert refused.value.detail == "sip.sdes"
    assert read_phone(ours.offer((PCMA,))).audio.protocol == "RTP/SAVP"


def test_a_phone_that_offers_both_gets_srtp_where_it_may_be_had() -> None:
    both = PLAIN + b"".join(SAVP.partition(b"m=audio")[1:])
    assert read_phone(both, prefer_secure=True).audio.is_secure
    assert not read_phone(both).audio.is_secure


@pytest.mark.parametrize(
    ("rule", "transports", "srtp", "plain"),
    [
        (SdesRule.OFF, ["tls"], False, True),
        (SdesRule.TLS, ["tls", "tls"], True, True),
        (SdesRule.TLS, ["tls", "tcp"], False, True),
        (SdesRule.TLS, ["udp"], False, True),
        (SdesRule.ALWAYS, ["udp"], True, True),
        (SdesRule.REQUIRED, ["tls"], True, False),
        (SdesRule.REQUIRED, ["udp"], False, False),
    ],
)
def test_keys_are_written_only_where_the_operator_wants_them(
    rule: SdesRule, transports: list[str], srtp: bool, plain: bool
) -> None:
    assert media_protection(rule, transports) == MediaProtection(srtp=srtp, plain=plain)


@pytest.mark.parametrize("body", [None, b"", b"no SDP", PLAIN.replace(b"m=audio", b"m=video")])
def test_what_is_no_description_of_audio_refuses_the_call(body: bytes | None) -> None:
    with pytest.raises(CallRefused):
        read_phone(body)

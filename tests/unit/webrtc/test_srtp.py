"""SRTP sessions: what goes through, what does not, and with which error."""

import random

import pytest

from protocol.webrtc.srtp import (
    MAX_PACKET,
    SrtpError,
    SrtpKeys,
    SrtpProfile,
    SrtpReceiver,
    SrtpReplayError,
    SrtpTransmitter,
)
from tests.support.media.rtp_packets import build_header


def make_keys(profile: SrtpProfile) -> tuple[SrtpKeys, SrtpKeys]:
    """The keys of two ends that talk to each other."""
    ours = bytes(range(16)), bytes(range(16, 16 + profile.salt_size))
    theirs = bytes(range(50, 66)), bytes(range(70, 70 + profile.salt_size))
    left = SrtpKeys(profile=profile, local_key=ours[0], local_salt=ours[1], remote_key=theirs[0], remote_salt=theirs[1])
    right = SrtpKeys(
        profile=profile, local_key=theirs[0], local_salt=theirs[1], remote_key=ours[0], remote_salt=ours[1]
    )
    return left, right


@pytest.fixture(params=SrtpProfile, ids=lambda profile: profile.name)
def keys(request: pytest.FixtureRequest) -> tuple[SrtpKeys, SrtpKeys]:
    return make_keys(request.param)


def media(sequence: int, *, ssrc: int = 1, size: int = 100) -> bytes:
    return build_header(payload_type=96, marker=False, sequence=sequence, timestamp=0, ssrc=ssrc) + bytes(size - 12)


CONTROL = bytes.fromhex("81ce0002") + bytes(8)


def test_media_passes(keys: tuple[SrtpKeys, SrtpKeys]) -> None:
    transmitter, receiver = SrtpTransmitter(keys[0]), SrtpReceiver(keys[1])
    for sequence in (65535, 0, 1):
        sealed = transmitter.protect(media(sequence))
        assert sealed[12:] != media(sequence)[12:]
        assert receiver.unprotect(sealed) == media(sequence)
    assert receiver.ssrcs == {1}


def test_control_passes(keys: tuple[SrtpKeys, SrtpKeys]) -> None:
    transmitter, receiver = SrtpTransmitter(keys[0]), SrtpReceiver(keys[1])
    assert receiver.unprotect_rtcp(transmitter.protect_rtcp(CONTROL)) == CONTROL


def test_the_way_back_has_other_keys(keys: tuple[SrtpKeys, SrtpKeys]) -> None:
    sealed = SrtpTransmitter(keys[0]).protect(media(1))
    with pytest.raises(SrtpError, match="authentication failure"):
        SrtpReceiver(keys[0]).unprotect(sealed)
    assert SrtpReceiver(keys[1]).unprotect(sealed) == media(1)


def test_a_repeated_packet_is_told_apart_from_a_forged_one(keys: tuple[SrtpKeys, SrtpKeys]) -> None:
    transmitter, receiver = SrtpTransmitter(keys[0]), SrtpReceiver(keys[1])
    sealed, control = transmitter.protect(media(1)), transmitter.protect_rtcp(CONTROL)
    receiver.unprotect(sealed)
    receiver.unprotect_rtcp(control)
    with pytest.raises(SrtpReplayError):
        receiver.unprotect(sealed)
    with pytest.raises(SrtpReplayError):
        receiver.unprotect_rtcp(control)
    forged = bytearray(transmitter.protect(media(2)))
    forged[20] ^= 1
    with pytest.raises(SrtpError) as caught:
        receiver.unprotect(bytes(forged))
    assert not isinstance(caught.value, SrtpReplayError)


def test_packets_may_come_late_within_a_thousand(keys: tuple[SrtpKeys, SrtpKeys]) -> None:
    transmitter, receiver = SrtpTransmitter(keys[0]), SrtpReceiver(keys[1])
    sealed = [transmitter.protect(media(sequence)) for sequence in range(1100)]
    receiver.unprotect(sealed[-1])
    assert receiver.unprotect(sealed[100]) == media(100)
    with pytest.raises(SrtpReplayError):
        receiver.unprotect(sealed[50])


def test_the_same_packet_may_be_protected_again(keys: tuple[SrtpKeys, SrtpKeys]) -> None:
    transmitter = SrtpTransmitter(keys[0])
    first = transmitter.protect(media(1))
    transmitter.protect(media(2))
    assert transmitter.protect(media(1)) == first


def test_ssrcs_are_bounded_and_forged_ones_do_not_count(keys: tuple[SrtpKeys, SrtpKeys]) -> None:
    transmitter, receiver = SrtpTransmitter(keys[0]), SrtpReceiver(keys[1], max_ssrcs=2)
    for ssrc in range(100, 110):
        with pytest.raises(SrtpError, match="authentication"):
            receiver.unprotect(media(1, ssrc=ssrc))
    receiver.unprotect(transmitter.protect(media(1, ssrc=1)))
    receiver.unprotect(transmitter.protect(media(1, ssrc=2)))
    with pytest.raises(SrtpError, match="too many"):
        receiver.unprotect(transmitter.protect(media(1, ssrc=3)))
    with pytest.raises(SrtpError, match="too many"):
        receiver.unprotect_rtcp(transmitter.protect_rtcp(CONTROL))
    receiver.unprotect(transmitter.protect(media(2, ssrc=1)))
    assert receiver.ssrcs == {1, 2}


def test_sizes(keys: tuple[SrtpKeys, SrtpKeys]) -> None:
    transmitter, receiver = SrtpTransmitter(keys[0]), SrtpReceiver(keys[1])
    assert receiver.unprotect(transmitter.protect(media(1, size=MAX_PACKET))) == media(1, size=MAX_PACKET)
    with pytest.raises(SrtpError, match="too long"):
        transmitter.protect(media(2, size=MAX_PACKET + 3))
    with pytest.raises(SrtpError, match="too long"):
        transmitter.protect_rtcp(CONTROL + bytes(2400))
    with pytest.raises(SrtpError, match="too long"):
        receiver.unprotect(media(1, size=3000))
    with pytest.raises(SrtpError, match="too long"):
        receiver.unprotect_rtcp(media(1, size=3000))


@pytest.mark.parametrize("size", [1400, 1472, 1500])
def test_what_fills_a_path_passes_with_header_extensions_and_all(keys: tuple[SrtpKeys, SrtpKeys], size: int) -> None:
    transmitter, receiver = SrtpTransmitter(keys[0]), SrtpReceiver(keys[1])
    assert receiver.unprotect(transmitter.protect(media(1, size=size))) == media(1, size=size)


def spoilt(data: bytes, dice: random.Random) -> bytes:
    position = dice.randrange(len(data))
    return data[:position] + bytes((data[position] ^ dice.randrange(1, 256),)) + data[position + 1 :]


def test_noise_and_mutations(keys: tuple[SrtpKeys, SrtpKeys]) -> None:
    dice = random.Random(3711)
    transmitter, receiver = SrtpTransmitter(keys[0]), SrtpReceiver(keys[1])
    for sequence in range(2000):
        sealed, control = transmitter.protect(media(sequence)), transmitter.protect_rtcp(CONTROL)
        noise = dice.randbytes(dice.randrange(60))
        for data in (spoilt(sealed, dice), sealed[: dice.randrange(len(sealed))], noise):
            with pytest.raises(SrtpError):
                receiver.unprotect(data)
        for data in (spoilt(control, dice), control[: dice.randrange(len(control))], noise):
            with pytest.raises(SrtpError):
                receiver.unprotect_rtcp(data)
    assert receiver.ssrcs == set()


def test_keys_do_not_show() -> None:
    left, _ = make_keys(SrtpProfile.AEAD_AES_128_GCM)
    assert repr(left) == "SrtpKeys(profile=<SrtpProfile.AEAD_AES_128_GCM: 'SRTP_AEAD_AES_128_GCM'>)"

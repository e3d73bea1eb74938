"""What is said to a phone of our media, and what its SDP means for a call.

SRTP is offered first where it may be had (RFC 4568), and plain RTP to a phone that refuses it.
"""

from attrs import evolve, field, frozen

from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.media_address import may_be_sent_media
from protocol.calls.protection import SETTING, MediaProtection
from protocol.calls.remote_media import RemoteMedia
from protocol.sip.messages.media_description import (
    AudioDescription,
    CryptoAttribute,
    Origin,
    PhoneDescription,
    answered_direction,
    choose_crypto,
    parse_description,
    write_answer,
    write_offer,
)
from protocol.sip.messages.message import SipError
from protocol.webrtc.sdp import Codec, Direction
from protocol.webrtc.srtp import SrtpKeys, SrtpProfile

_SUITE = "AES_CM_128_HMAC_SHA1_80"
_KEY_SIZE = 16
_UNSPECIFIED = frozenset({"0.0.0.0", "::"})  # noqa: S104 - what a phone on hold may name, never bound
_PLAIN = MediaProtection(srtp=False)

Address = tuple[str, int]


def read_phone(body: bytes | None, *, prefer_secure: bool = False) -> PhoneDescription:
    """A phone's offer or answer. Raises CallRefused. `prefer_secure`: take SRTP, where it offers both."""
    if body is None:
        raise CallRefused(CallInfo.FAILED_BY_MEDIA, "there is no SDP")
    try:
        return parse_description(body, prefer_secure=prefer_secure)
    except SipError as error:
        raise CallRefused(CallInfo.FAILED_BY_MEDIA, error.message) from None


@frozen(kw_only=True)
class PhoneOffers:
    """What a phone is offered, and what instead if it refuses that for its media; None: nothing."""

    first: bytes = field(repr=False)
    fallback: bytes | None = field(default=None, repr=False)


@frozen(kw_only=True)
class PhoneDialogue:
    """The exchange of descriptions with one phone: ours with a version that counts, at `address`.

    `signalling`: the IP addresses that its SIP comes from.
    `secret` is master key and salt for SRTP, 30 bytes, for this call alone. `is_secure`: SRTP has been agreed on.
    """

    address: Address
    origin: Origin
    secret: bytes = field(repr=False)
    signalling: tuple[str, ...] = ()
    protection: MediaProtection = _PLAIN
    is_secure: bool = False

    def next(self) -> "PhoneDialogue":
        """For a description that differs from the last one."""
        return evolve(self, origin=self.origin.next())

    def offer(self, codecs: tuple[Codec, ...], direction: Direction = Direction.SENDRECV) -> bytes:
        """Our offer of what has been agreed on; before that, of plain RTP, if it may be."""
        ours = self._audio(codecs, direction)
        if self.is_secure or not self.protection.plain:
            ours = evolve(ours, protocol="RTP/SAVP", crypto=(self._own_crypto,))
        return write_offer(self.origin, ours)

    def first_offers(self, codecs: tuple[Codec, ...], *, held: bool = False) -> PhoneOffers:
        """What a phone is called with; `held`: the page holds the call."""
        direction = Direction.SENDONLY if held else Direction.SENDRECV
        if not self.protection.srtp:
            return PhoneOffers(first=self.offer(codecs, direction))
        secure = evolve(self, is_secure=True).offer(codecs, direction)
        return PhoneOffers(first=secure, fallback=self.offer(codecs, direction) if self.protection.plain else None)

    def answer(self, offer: PhoneDescription, codecs: tuple[Codec, ...], *, held: bool) -> bytes:
        """Our answer to the phone's offer; `held`: the page holds the call."""
        wanted = Direction.SENDONLY if held else Direction.SENDRECV
        theirs = offer.audio
        ours = self._audio(codecs, answered_direction(theirs.direction, wanted))
        chosen = self._crypto(theirs)
        crypto = () if chosen is None else (evolve(chosen, key=self.secret),)
        ours = evolve(ours, protocol=theirs.protocol, crypto=crypto, rtcp_mux=theirs.rtcp_mux)
        return write_answer(self.origin, ours, offer)

    def remote(self, description: PhoneDescription) -> RemoteMedia:
        """What the phone says of its media.

        Raises CallRefused if it is where media must not go, or it is encrypted and may not be, or the other way round.
        """
        audio = description.audio
        chosen = self._crypto(audio)
        is_reachable = audio.address not in _UNSPECIFIED and audio.port > 0
        if is_reachable and not may_be_sent_media(audio.address, self.signalling):
            raise CallRefused(CallInfo.FAILED_BY_MEDIA, f"media must not be sent to {audio.address}")
        return RemoteMedia(
            address=(audio.address, audio.port) if is_reachable else None,
            rtcp=(audio.address, audio.rtcp_port) if is_reachable else None,
            codecs=audio.codecs,
            direction=audio.direction,
            rtcp_mux=audio.rtcp_mux,
            keys=None if chosen is None else self._keys(chosen),
        )

    def _crypto(self, audio: AudioDescription) -> CryptoAttribute | None:
        if not audio.is_secure:
            if not self.protection.plain:
                raise CallRefused(CallInfo.NO_SRTP, SETTING)
            return None
        if not self.protection.srtp:
            raise CallRefused(CallInfo.SDES_REFUSED, SETTING)
        chosen = choose_crypto(each for each in audio.crypto if each.suite == _SUITE)
        if chosen is None:
            raise CallRefused(CallInfo.FAILED_BY_MEDIA, f"SRTP without a key of {_SUITE}")
        return chosen

    @property
    def _own_crypto(self) -> CryptoAttribute:
        return CryptoAttribute(tag=1, suite=_SUITE, key=self.secret)

    def _keys(self, chosen: CryptoAttribute) -> SrtpKeys:
        return SrtpKeys(
            profile=SrtpProfile.AES128_CM_SHA1_80,
            local_key=self.secret[:_KEY_SIZE],
            local_salt=self.secret[_KEY_SIZE:],
            remote_key=chosen.key[:_KEY_SIZE],
            remote_salt=chosen.key[_KEY_SIZE:],
        )

    def _audio(self, codecs: tuple[Codec, ...], direction: Direction) -> AudioDescription:
        host, port = self.address
        return AudioDescription(address=host, port=port, rtcp_port=port + 1, codecs=codecs, direction=direction)

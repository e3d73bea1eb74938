"""What is said to a phone of our media, and what its SDP means for a call."""

from attrs import evolve, field, frozen

from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.media_address import may_be_sent_media
from protocol.calls.remote_media import RemoteMedia
from protocol.sip.media_description import (
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
from protocol.sip.message import SipError
from protocol.webrtc.sdp import Codec, Direction
from protocol.webrtc.srtp import SrtpKeys, SrtpProfile

_SUITE = "AES_CM_128_HMAC_SHA1_80"
_KEY_SIZE = 16
_UNSPECIFIED = frozenset({"0.0.0.0", "::"})  # noqa: S104 - what a phone on hold may name, never bound

Address = tuple[str, int]


def read_phone(body: bytes | None) -> PhoneDescription:
    """A phone's offer or answer. Raises CallRefused."""
    if body is None:
        raise CallRefused(CallInfo.FAILED_BY_MEDIA, "there is no SDP")
    try:
        return parse_description(body)
    except SipError as error:
        raise CallRefused(CallInfo.FAILED_BY_MEDIA, error.message) from None


@frozen(kw_only=True)
class PhoneDialogue:
    """The exchange of descriptions with one phone: ours with a version that counts, at `address`.

    `signalling`: the IP addresses that its SIP comes from.
    `secret` is master key and salt for SRTP, 30 bytes, used where the phone offers SDES and `allows_sdes`.
    """

    address: Address
    origin: Origin
    secret: bytes = field(repr=False)
    signalling: tuple[str, ...] = ()
    allows_sdes: bool = False

    def next(self) -> "PhoneDialogue":
        """For a description that differs from the last one."""
        return evolve(self, origin=self.origin.next())

    def offer(self, codecs: tuple[Codec, ...], direction: Direction = Direction.SENDRECV) -> bytes:
        """Our offer of plain RTP."""
        return write_offer(self.origin, self._audio(codecs, direction))

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

        Raises CallRefused if it is where media must not go, or wants an encryption that it may not have.
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
            return None
        chosen = choose_crypto(each for each in audio.crypto if each.suite == _SUITE)
        if chosen is None or not self.allows_sdes:
            raise CallRefused(CallInfo.FAILED_BY_MEDIA, "keys in SDP that may be read on the way: SIP must come by TLS")
        return chosen

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

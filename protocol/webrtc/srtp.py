"""SRTP and SRTCP over libsrtp (RFC 3711, RFC 7714, keys by RFC 5764).

libsrtp opens a stream for every SSRC that it accepts, and never closes one by itself; the receiver limits them.
"""

import enum
import importlib

import pylibsrtp
from attrs import field, frozen
from pylibsrtp import Policy, Session

from protocol.common.errors import ProtocolError

MAX_PACKET = 1536
"""The largest RTP packet in bytes that `SrtpTransmitter` takes: more than fits a 1,500-byte MTU.

GStreamer makes packets of 1,400 bytes by default, FFmpeg of 1,472.
"""

_REPLAY_WINDOW = 1024
_MIN_RTP = 12
_MIN_RTCP = 8
_MORE_BY_RTX = 2  # bytes; a retransmission has the original's number before its payload (RFC 4588 section 4)
_BUFFER = 2304  # bytes; the largest datagram that is read (2,048), and the most libsrtp may append (148)

_binding = importlib.import_module("pylibsrtp._binding")
_ffi = _binding.ffi

unprotect_in_place = _binding.lib.srtp_unprotect
"""libsrtp's own function: decrypts an RTP packet where it lies, and writes its new length; 0, or an error (`fault`).

For packets of SSRCs that are in `SrtpReceiver.ssrcs`: others may be too many. It takes the receiver's `handle`, and
pointers to the packet and to its length, an int.
"""


class SrtpError(ProtocolError):
    """A packet that could not be authenticated, decrypted or encrypted. Carries libsrtp's reason, never any data."""


class SrtpReplayError(SrtpError):
    """A packet that was received before or is too old to tell: common in healthy networks, dropped silently."""


class SrtpProfile(enum.Enum):
    """A protection profile; the value is its name in DTLS negotiation (RFC 5764, RFC 7714)."""

    AEAD_AES_128_GCM = "SRTP_AEAD_AES_128_GCM"
    AES128_CM_SHA1_80 = "SRTP_AES128_CM_SHA1_80"

    @property
    def key_size(self) -> int:
        """Length of the master key in bytes."""
        return 16

    @property
    def salt_size(self) -> int:
        """Length of the master salt in bytes."""
        return 12 if self is SrtpProfile.AEAD_AES_128_GCM else 14

    @property
    def libsrtp_profile(self) -> int:
        """libsrtp's number for the profile."""
        gcm = self is SrtpProfile.AEAD_AES_128_GCM
        number: int = Policy.SRTP_PROFILE_AEAD_AES_128_GCM if gcm else Policy.SRTP_PROFILE_AES128_CM_SHA1_80
        return number


@frozen(kw_only=True)
class SrtpKeys:
    """What a DTLS handshake yields: we protect with the local key and salt, the peer with the remote ones."""

    profile: SrtpProfile
    local_key: bytes = field(repr=False)
    local_salt: bytes = field(repr=False)
    remote_key: bytes = field(repr=False)
    remote_salt: bytes = field(repr=False)


class SrtpReceiver:
    """Authenticates and decrypts what the peer sends; at most `max_ssrcs` different SSRCs of RTP and RTCP together."""

    def __init__(self, keys: SrtpKeys, *, max_ssrcs: int = 64) -> None:
        policy = _policy(keys.profile, keys.remote_key + keys.remote_salt, Policy.SSRC_ANY_INBOUND)
        self.session = _open(policy)
        self._max_ssrcs = max_ssrcs
        self.ssrcs: set[int] = set()
        """The SSRCs from which an authentic packet has come; to be read only."""
        self.handle = self.session._srtp[0]
        """What `unprotect_in_place` wants; alive as long as this is."""

    def unprotect(self, packet: bytes) -> bytes:
        """The RTP packet inside an SRTP packet. Raises `SrtpError` (`SrtpReplayError` when repeated)."""
        if len(packet) < _MIN_RTP:
            raise SrtpError("SRTP packet is truncated")
        ssrc = int.from_bytes(packet[8:12], "big")
        if ssrc not in self.ssrcs:
            self._check_room()
        try:
            plain = self.session.unprotect(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise _fault(error) from None
        self.ssrcs.add(ssrc)
        return plain

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        """The RTCP packet inside an SRTCP packet. Raises `SrtpError` (`SrtpReplayError` when repeated)."""
        if len(packet) < _MIN_RTCP:
            raise SrtpError("SRTCP packet is truncated")
        ssrc = int.from_bytes(packet[4:8], "big")
        if ssrc not in self.ssrcs:
            self._check_room()
        try:
            plain = self.session.unprotect_rtcp(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise _fault(error) from None
        self.ssrcs.add(ssrc)
        return plain

    def _check_room(self) -> None:
        if len(self.ssrcs) >= self._max_ssrcs:
            raise SrtpError("too many SSRCs")


class SrtpTransmitter:
    """Encrypts what we send.

    A packet may be protected again under the same index only if it is identical byte for byte: with GCM, a different
    packet under a used index reveals the key stream. `session` is for a sender that calls libsrtp more directly.
    """

    def __init__(self, keys: SrtpKeys) -> None:
        self.profile = keys.profile
        policy = _policy(keys.profile, keys.local_key + keys.local_salt, Policy.SSRC_ANY_OUTBOUND)
        policy.allow_repeat_tx = True
        self.session = _open(policy)

    def protect(self, packet: bytes) -> bytes:
        """The SRTP packet for an RTP packet of at most `MAX_PACKET` bytes, or for its retransmission.

        Raises `SrtpError`.
        """
        if len(packet) > MAX_PACKET + _MORE_BY_RTX:
            raise SrtpError("packet is too long")
        try:
            return self.session.protect(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise _fault(error) from None

    def protect_rtcp(self, packet: bytes) -> bytes:
        """The SRTCP packet for a (compound) RTCP packet of at most 2,048 bytes. Raises `SrtpError`."""
        try:
            return self.session.protect_rtcp(packet)
        except (pylibsrtp.Error, ValueError) as error:
            raise _fault(error) from None


def _policy(profile: SrtpProfile, key: bytes, direction: int) -> Policy:
    policy = Policy(key=key, ssrc_type=direction, srtp_profile=profile.libsrtp_profile)
    policy.window_size = _REPLAY_WINDOW
    return policy


def _open(policy: Policy) -> Session:
    """A session with a larger buffer than pylibsrtp's 1,500 bytes, which a packet with its trailer can exceed.

    This uses private names; the version is pinned.
    """
    session = Session(policy)
    session._cdata = _ffi.new("char[]", _BUFFER)
    session._buffer = _ffi.buffer(session._cdata)
    return session


def fault(code: int) -> SrtpError:
    """What an error of libsrtp means."""
    return _fault(pylibsrtp.Error(pylibsrtp.ERRORS[code]))


def _fault(error: Exception) -> SrtpError:
    reason = str(error)
    return SrtpReplayError(reason) if reason.startswith("replay") else SrtpError(reason)

"""What a phone's SDP says of its media, as far as a call needs it."""

from attrs import field, frozen

from protocol.webrtc.sdp import Codec, Direction
from protocol.webrtc.srtp import SrtpKeys

Address = tuple[str, int]


@frozen(kw_only=True)
class RemoteMedia:
    """One section of audio. `direction` is the phone's: SENDONLY or INACTIVE when it holds the call.

    `address` is None where it says that nothing can be sent there (the old way to hold, RFC 3264 section 8.4). `keys`
    are those of SDES, both sides' (RFC 4568); None for plain RTP.
    """

    address: Address | None
    rtcp: Address | None
    codecs: tuple[Codec, ...]
    direction: Direction = Direction.SENDRECV
    rtcp_mux: bool = False
    keys: SrtpKeys | None = field(default=None, repr=False)

    @property
    def holds(self) -> bool:
        """The phone does not want to hear the page."""
        return self.address is None or not self.direction.receives

"""The server's part towards one peer, in the DTLS handshake and in ICE."""

from typing import Literal

from attrs import evolve, field, frozen

from protocol.webrtc.paths import IcePath
from protocol.webrtc.sdp import Setup
from protocol.webrtc.shared_address import SharedAddress


@frozen(kw_only=True)
class PeerRoles:
    """`setup` is the answer's: PASSIVE makes the server the DTLS server, ACTIVE the client (RFC 8842).

    `controlling`: the server nominates the path and resolves ties (RFC 8445 section 6.1.1). A lite agent is controlling
    only towards another lite agent; browsers are full agents. `credentials`: the user fragment and password that the
    peer has been told already, where the server offers; an answerer makes its own.
    """

    setup: Setup = Setup.PASSIVE
    controlling: bool = False
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    calls: IcePath | None = None
    """Where the server sends the first check, rather than wait for the peer's (`protocol.webrtc.ice_caller`)."""
    shares: SharedAddress | None = None
    """What tells the peer from others at its address; None where there are none."""
    reports_as: int | None = None
    """The SSRC of the server's reports on what the peer publishes; None for any."""

    @property
    def dtls(self) -> Literal["server", "client"]:
        """The server's part in the handshake."""
        return "client" if self.setup is Setup.ACTIVE else "server"

    def towards(self, offered: Setup) -> "PeerRoles":
        """These, but the DTLS client's for a peer that offers nothing but to be the server (RFC 8842 section 5.3)."""
        return evolve(self, setup=Setup.ACTIVE) if offered is Setup.PASSIVE else self


ANSWERER = PeerRoles()
"""What the server is to a browser, and to any other peer that leaves the choice to it."""

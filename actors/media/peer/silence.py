"""Which peers have been silent for too long."""

from actors.media.peer.handshake_limits import Handshake
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.consent import IceExpiry
from protocol.webrtc.ice import IceLiteAgent

Fault = tuple[StreamInfo, str]
"""What the owner is told, and a detail for the log."""


def silence_of(agent: IceLiteAgent, handshake: Handshake | None, now: float, *, excused_until: float) -> Fault | None:
    """Why the peer is given up; None: it is not. Nobody is before `excused_until`: we have not listened meanwhile."""
    if now < excused_until:
        agent.consent.excuse(excused_until)
        if handshake is not None:
            handshake.excuse(excused_until)
    expiry = agent.expired(now)
    if expiry is not None:
        no_check = expiry is IceExpiry.NO_CHECK
        return StreamInfo.FAILED_BY_ICE_TIMEOUT if no_check else StreamInfo.FAILED_BY_KEEP_ALIVE, ""
    if handshake is not None and now >= handshake.until:
        is_over = handshake.dtls.keys is not None
        return StreamInfo.FAILED_BY_DTLS_ERROR, "no path was proved" if is_over else "it took too long"
    return None

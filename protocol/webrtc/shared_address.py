"""Several peers at one address: legs of relays, which all come from one socket of a node and go to one of another.

What is told apart by its source elsewhere is told apart by what is in it:

    STUN     by its user fragment, as always
    RTP      by its SSRC; which ones an origin sends, it has told
    RTCP     by its sender's SSRC; an edge's follows from its user fragment
    DTLS     names nobody, so it is sent in a STUN indication, which has a user fragment

The attribute is the one by which browsers carry DTLS in STUN (draft-hancke-webrtc-sped). It is not signed: DTLS
authenticates itself, and as without it the datagram counts only if it comes from where a valid check has come from.
"""

import binascii

from attrs import field, frozen

from protocol.webrtc.stun import build_dtls_indication


@frozen(kw_only=True)
class SharedAddress:
    """One peer at an address that it shares: the SSRCs of what it sends, and the name by which it hears of DTLS."""

    ssrcs: tuple[int, ...]
    username: str = field(repr=False)
    """`receiver:sender`, the user fragments of both (RFC 8445 section 7.1.2)."""

    def wrap(self, datagram: bytes, transaction_id: bytes) -> bytes:
        """A datagram of DTLS as it is sent to the peer; the transaction's 12 bytes are random."""
        return build_dtls_indication(transaction_id, self.username, datagram)


def report_ssrc(ufrag: str) -> int:
    """The SSRC under which an edge with this user fragment reports; never 0."""
    return binascii.crc32(ufrag.encode()) or 1

"""SDP as the bench's peers write and read it: one video section, VP8 with RTX, all that a browser would ask for."""

import re
from collections.abc import Iterable

from attrs import frozen

from protocol.webrtc.sdp import Fingerprint
from protocol.webrtc.stun import Address

VIDEO_TYPE, RTX_TYPE = 96, 97
VIDEO_SSRC, RTX_SSRC = 2222, 3333
TWCC_ID = 3

_TWCC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
_FEEDBACK = ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")


@frozen(kw_only=True)
class Local:
    """This end of a transport. It is always the DTLS client, and always the one that sends the ICE checks."""

    ufrag: str
    pwd: str
    fingerprint: Fingerprint
    address: Address

    def lines(self) -> list[str]:
        host, port = self.address
        return [
            f"a=ice-ufrag:{self.ufrag}",
            f"a=ice-pwd:{self.pwd}",
            f"a=fingerprint:{self.fingerprint.algorithm} {self.fingerprint.value}",
            "a=setup:active",
            f"a=candidate:1 1 udp 2130706431 {host} {port} typ host",
            "a=end-of-candidates",
            "a=rtcp-mux",
            "a=rtcp-rsize",
        ]


@frozen(kw_only=True)
class Remote:
    """What a peer needs of the server's description."""

    ufrag: str
    pwd: str
    fingerprint: Fingerprint
    address: Address
    video_type: int

    @classmethod
    def parse(cls, text: str, host: str) -> "Remote":
        """Read an offer or an answer whose candidates include one on `host`."""
        lines = text.replace("\r\n", "\n")

        def first(pattern: str) -> str:
            found = re.search(rf"^{pattern}$", lines, re.MULTILINE)
            if found is None:
                raise ValueError(f"the server's SDP lacks {pattern}:\n{text}")
            return found[1]

        algorithm, _, digest = first("a=fingerprint:(.*)").partition(" ")
        port = first(rf"a=candidate:\S+ 1 (?:udp|UDP) \d+ {re.escape(host)} (\d+) typ host.*")
        return cls(
            ufrag=first("a=ice-ufrag:(.*)"),
            pwd=first("a=ice-pwd:(.*)"),
            fingerprint=Fingerprint(algorithm=algorithm, value=digest),
            address=(host, int(port)),
            video_type=int(first(r"a=rtpmap:(\d+) VP8/90000")),
        )


def publish_offer(local: Local) -> str:
    """An offer to send one VP8 track, as Chromium would, with transport-wide feedback."""
    section = [*_vp8(VIDEO_TYPE, RTX_TYPE), f"a=extmap:{TWCC_ID} {_TWCC_URI}", "a=mid:0", "a=sendonly"]
    section += ["a=msid:bench bench-video", f"a=ssrc-group:FID {VIDEO_SSRC} {RTX_SSRC}"]
    section += [f"a=ssrc:{ssrc} cname:bench" for ssrc in (VIDEO_SSRC, RTX_SSRC)]
    return _text(local, section)


def play_offer(local: Local) -> str:
    """An offer to receive one VP8 track."""
    return _text(local, [*_vp8(VIDEO_TYPE, RTX_TYPE), f"a=extmap:{TWCC_ID} {_TWCC_URI}", "a=mid:0", "a=recvonly"])


def play_answer(local: Local, offer: str) -> str:
    """The answer to a server's offer of one VP8 track: its payload types, and no header extensions."""
    types = re.findall(r"^a=rtpmap:(\d+) (?:VP8|rtx)/90000", offer, re.MULTILINE)
    mid = re.findall(r"^a=mid:(\S+)", offer, re.MULTILINE)
    if len(mid) != 1 or len(types) != 2:
        raise ValueError(f"not an offer of one VP8 track with RTX:\n{offer}")
    section = [*_vp8(int(types[0]), int(types[1])), f"a=mid:{mid[0]}", "a=recvonly"]
    return _text(local, section, mid=mid[0])


def _vp8(video: int, rtx: int) -> Iterable[str]:
    yield f"m=video 9 UDP/TLS/RTP/SAVPF {video} {rtx}"
    yield "c=IN IP4 0.0.0.0"
    yield f"a=rtpmap:{video} VP8/90000"
    yield from (f"a=rtcp-fb:{video} {feedback}" for feedback in _FEEDBACK)
    yield f"a=rtpmap:{rtx} rtx/90000"
    yield f"a=fmtp:{rtx} apt={video}"


def _text(local: Local, section: Iterable[str], mid: str = "0") -> str:
    head = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mid}", "a=msid-semantic: WMS *"]
    return "\r\n".join([*head, *section, *local.lines()]) + "\r\n"

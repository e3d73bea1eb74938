"""Offers for tests: recorded ones (Chromium with the unmodified SDK) and ones built line by line.

`*_written.sdp` are written by hand after the shape of Firefox and Safari offers; the others are recordings.
"""

from pathlib import Path

from protocol.webrtc.sdp import Fingerprint, LocalTransport

FOLDER = Path(__file__).parents[2] / "fixtures" / "sdp"
FINGERPRINT = ":".join(f"{number:02X}" for number in range(32))
PREFERENCE = ("OPUS", "PCMU", "PCMA", "VP8", "H264", "VP9", "AV1")

AUDIO = ("m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=rtpmap:111 opus/48000/2")
VIDEO = ("m=video 9 UDP/TLS/RTP/SAVPF 96", "a=rtpmap:96 VP8/90000")

TRANSPORT = LocalTransport(
    ufrag="server+/",
    pwd="serverPasswordOf24Chars+",
    fingerprint=Fingerprint(algorithm="sha-256", value=FINGERPRINT),
    candidates=(("192.0.2.10", 31001),),
)


def recorded(name: str) -> str:
    """The text of a fixture with its line ends untouched."""
    return (FOLDER / f"{name}.sdp").read_bytes().decode()


def text_of(*lines: str) -> str:
    """Lines as SDP with CRLF ends."""
    return "".join(f"{line}\r\n" for line in lines)


def section_of(heading: str, *lines: str, mid: str = "", direction: str = "sendonly") -> tuple[str, ...]:
    """A WebRTC section without credentials of its own."""
    return heading, *lines, *([f"a=mid:{mid}"] if mid else []), f"a={direction}", "a=rtcp-mux"


def offer_of(*sections: tuple[str, ...], group: str = "", extra: tuple[str, ...] = ()) -> str:
    """An offer whose credentials stand at session level; `group` is the mids of its BUNDLE group."""
    session = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", *([f"a=group:BUNDLE {group}"] if group else [])]
    session += ["a=ice-ufrag:peer", "a=ice-pwd:peerPasswordOf24Characte", f"a=fingerprint:sha-256 {FINGERPRINT}"]
    session += ["a=setup:actpass", *extra]
    return text_of(*session, *(line for section in sections for line in section))


def h264(payload_type: int, profile_level_id: str, mode: str = "1") -> tuple[str, ...]:
    """The lines of one H264 format."""
    return (
        f"a=rtpmap:{payload_type} H264/90000",
        f"a=fmtp:{payload_type} packetization-mode={mode};profile-level-id={profile_level_id}",
    )

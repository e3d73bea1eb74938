"""Session descriptions of phones: one audio section of RTP/AVP or RTP/SAVP (RFC 3264, RFC 8866, RFC 4568).

An offer of a phone may have more sections; the others are refused in their places. `AudioDescription` is one side's
view of the audio, read from the phone's text or written into ours.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Final

from attrs import evolve, field, frozen

from protocol.sip.messages.headers import whole_number
from protocol.sip.messages.message import SipError
from protocol.webrtc.sdp import Codec, Direction

MAX_DESCRIPTION: Final = 65_536
MAX_LINES: Final = 1_000
MAX_SECTIONS: Final = 16
MAX_FORMATS: Final = 64
TELEPHONE_EVENT: Final = "TELEPHONE-EVENT"
SUITES: Final = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
KEY_BYTES: Final = 30
"""Master key and salt of both suites (RFC 4568 section 6.2)."""
_PLAIN: Final = frozenset({"RTP/AVP", "RTP/AVPF"})
_SECURE: Final = frozenset({"RTP/SAVP", "RTP/SAVPF"})
_STATIC: Final = {0: "PCMU/8000", 3: "GSM/8000", 8: "PCMA/8000", 9: "G722/8000", 13: "CN/8000", 18: "G729/8000"}
_UNSPECIFIED: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - how RFC 2543 writes that a phone is on hold
_CODEC_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_LINE_BREAK = re.compile(r"\r\n|\n|\r")


@frozen(kw_only=True)
class CryptoAttribute:
    """One `a=crypto`: the key by which its writer encrypts what it sends. `key` is master key and salt, 30 bytes."""

    tag: int
    suite: str
    key: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{self.tag} {self.suite} inline:{base64.b64encode(self.key).decode()}"


@frozen(kw_only=True)
class AudioDescription:
    """The audio of one side: where it wants to receive, what, and which way media goes, as its writer sees it.

    `codecs` are in its order of preference, telephone-event and CN among them; names are in upper case. `rtcp_port` is
    where RTCP goes. `crypto` is empty unless `is_secure`. `ptime` is in ms.
    """

    address: str
    port: int
    rtcp_port: int
    codecs: tuple[Codec, ...]
    direction: Direction = Direction.SENDRECV
    protocol: str = "RTP/AVP"
    crypto: tuple[CryptoAttribute, ...] = ()
    rtcp_mux: bool = False
    ptime: int | None = None

    @property
    def is_secure(self) -> bool:
        return self.protocol in _SECURE


@frozen(kw_only=True)
class PhoneDescription:
    """A phone's offer or answer: its audio, which is the section at `index`, and what its other sections are."""

    audio: AudioDescription
    index: int
    sections: tuple[tuple[str, str, str], ...]
    """Of each m= line: media, protocol, and its formats as written."""


@frozen(kw_only=True)
class Origin:
    """Who writes: constant for a call, but `version`, which counts the descriptions that differ (RFC 3264 8)."""

    session_id: int
    version: int
    address: str

    def next(self) -> "Origin":
        """For a description that differs from the last one."""
        return evolve(self, version=self.version + 1)


def parse_description(body: bytes, *, prefer_secure: bool = False) -> PhoneDescription:
    """Read a phone's offer or answer. Raises SipError: 400 for no SDP at all, 488 if there is no audio to be had.

    `prefer_secure`: an RTP/SAVP section counts before an RTP/AVP one, where a phone offers both.
    """
    session, blocks = _split(body)
    usable = [(index, audio) for index, block in enumerate(blocks) if (audio := _audio(block, session)) is not None]
    if not usable:
        raise SipError("no audio over RTP/AVP or RTP/SAVP", status_hint=488)
    usable.sort(key=lambda entry: entry[1].is_secure is not prefer_secure)
    index, audio = usable[0]
    return PhoneDescription(audio=audio, index=index, sections=tuple(block.heading for block in blocks))


def write_offer(origin: Origin, audio: AudioDescription) -> bytes:
    """Our offer: one section."""
    return _text(origin, [_section(audio)])


def write_answer(origin: Origin, audio: AudioDescription, offer: PhoneDescription) -> bytes:
    """Our answer to a phone's offer: our audio in its place, all else refused."""
    sections = [
        _section(audio) if index == offer.index else (f"m={media} 0 {protocol} {formats}",)
        for index, (media, protocol, formats) in enumerate(offer.sections)
    ]
    return _text(origin, sections)


def answered_direction(offered: Direction, wanted: Direction) -> Direction:
    """What may be answered to a direction (RFC 3264 section 6.1), if we would like `wanted`."""
    sends = wanted.sends and offered.receives
    receives = wanted.receives and offered.sends
    if sends and receives:
        return Direction.SENDRECV
    return Direction.SENDONLY if sends else Direction.RECVONLY if receives else Direction.INACTIVE


def choose_crypto(offered: Iterable[CryptoAttribute]) -> CryptoAttribute | None:
    """The first offered key of a suite that we know; our answer repeats its tag and suite with a key of ours."""
    return next((each for each in offered if each.suite in SUITES), None)


# -- writing -----------------------------------------------------------------------------------------------------------


def _text(origin: Origin, sections: Iterable[Iterable[str]]) -> bytes:
    lines = [
        "v=0",
        f"o=wcsd {origin.session_id} {origin.version} IN {_family(origin.address)}",
        "s=-",
        f"c=IN {_family(origin.address)}",
        "t=0 0",
        *(line for section in sections for line in section),
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _section(audio: AudioDescription) -> tuple[str, ...]:
    formats = " ".join(str(codec.payload_type) for codec in audio.codecs)
    mux = ("a=rtcp-mux",) if audio.rtcp_mux else ()
    ptime = (f"a=ptime:{audio.ptime}",) if audio.ptime is not None else ()
    return (
        f"m=audio {audio.port} {audio.protocol} {formats}",
        f"c=IN {_family(audio.address)}",
        *(line for codec in audio.codecs for line in _format_lines(codec)),
        f"a=rtcp:{audio.rtcp_port}",
        *mux,
        *(f"a=crypto:{each}" for each in audio.crypto),
        *ptime,
        f"a={audio.direction}",
    )


def _format_lines(codec: Codec) -> tuple[str, ...]:
    name = codec.name.lower() if codec.name in ("OPUS", TELEPHONE_EVENT) else codec.name
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    fmtp = (f"a=fmtp:{codec.payload_type} {codec.fmtp}",) if codec.fmtp else ()
    return (f"a=rtpmap:{codec.payload_type} {name}/{codec.clock_rate}{channels}", *fmtp)


def _family(address: str) -> str:
    return f"{'IP6' if ':' in address else 'IP4'} {address}"


# -- reading -----------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class _Section:
    """The session level, or one m= line with what belongs to it."""

    heading: tuple[str, str, str] = ("", "", "")
    port: int = 0
    connection: list[str] = field(factory=list)
    attributes: dict[str, list[str]] = field(factory=dict)

    def first(self, name: str) -> str:
        return next(iter(self.attributes.get(name, [])), "")


def _split(body: bytes) -> tuple[_Section, list[_Section]]:
    if len(body) > MAX_DESCRIPTION:
        raise SipError("a description that is too long", status_hint=413)
    lines = [line.strip() for line in _LINE_BREAK.split(body.decode("utf-8", "replace")) if line.strip()]
    if not lines or lines[0] != "v=0" or len(lines) > MAX_LINES:
        raise SipError("a description that is no SDP")
    session, blocks = _Section(), list[_Section]()
    current = session
    for line in lines[1:]:
        if line.startswith("m="):
            current = _heading(line[2:])
            blocks.append(current)
        elif line.startswith("c="):
            current.connection.append(line[2:])
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            current.attributes.setdefault(name.strip().lower(), []).append(value.strip())
    if len(blocks) > MAX_SECTIONS:
        raise SipError("a description with too many sections", status_hint=413)
    return session, blocks


def _heading(text: str) -> _Section:
    media, port, protocol, formats = (*text.split(None, 3), "", "", "", "")[:4]
    number = whole_number(port)
    if not formats or number is None or number > 65_535:
        raise SipError("a description with a media line that is none")
    return _Section(heading=(media, protocol, formats), port=number)


def _audio(block: _Section, session: _Section) -> AudioDescription | None:
    media, protocol, formats = block.heading
    address = _address(block, session)
    is_known = protocol in _PLAIN or protocol in _SECURE
    if media != "audio" or not block.port or not is_known or address is None:
        return None
    crypto = tuple(_crypto_attributes(block)) if protocol in _SECURE else ()
    if protocol in _SECURE and not crypto:
        return None
    rtcp_port = whole_number(block.first("rtcp")) or 0
    has_mux = "rtcp-mux" in block.attributes
    return AudioDescription(
        address=address,
        port=block.port,
        rtcp_port=block.port if has_mux else rtcp_port if 0 < rtcp_port <= 65_535 else min(65_535, block.port + 1),
        codecs=_codecs(formats, block),
        direction=_direction(block, session, address),
        protocol=protocol,
        crypto=crypto,
        rtcp_mux=has_mux,
        ptime=whole_number(block.first("ptime")),
    )


def _address(block: _Section, session: _Section) -> str | None:
    connection = (block.connection or session.connection or [""])[0].split()
    if len(connection) != 3:
        return None
    try:
        return str(ip_address(connection[2].partition("/")[0]))
    except ValueError:
        return None


def _direction(block: _Section, session: _Section, address: str) -> Direction:
    for level in (block, session):
        for direction in Direction:
            if direction in level.attributes:
                return _held(direction, address)
    return _held(Direction.SENDRECV, address)


def _held(direction: Direction, address: str) -> Direction:
    """RFC 2543 wrote hold as an address of zeros: its writer does not receive (RFC 3264 section 8.4)."""
    if address not in _UNSPECIFIED:
        return direction
    return Direction.SENDONLY if direction.sends else Direction.INACTIVE


def _codecs(formats: str, block: _Section) -> tuple[Codec, ...]:
    maps = _by_format(block.attributes.get("rtpmap", []))
    fmtps = _by_format(block.attributes.get("fmtp", []))
    found: dict[int, Codec] = {}
    for text in formats.split()[:MAX_FORMATS]:
        if not text.isascii() or not text.isdecimal() or len(text) > 3 or int(text) > 127:
            continue
        number = int(text)
        codec = _codec(number, maps.get(text) or _STATIC.get(number, ""), fmtps.get(text, ""))
        if codec is not None:
            found.setdefault(number, codec)
    return tuple(found.values())


def _codec(payload_type: int, encoding: str, fmtp: str) -> Codec | None:
    name, clock, channels = (*encoding.split("/"), "", "", "")[:3]
    rate = whole_number(clock)
    if not _CODEC_NAME.fullmatch(name) or not rate:
        return None
    count = whole_number(channels) or 1
    return Codec(payload_type=payload_type, name=name.upper(), clock_rate=rate, channels=count, fmtp=fmtp)


def _by_format(values: Iterable[str]) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for value in values:
        number, _, rest = value.partition(" ")
        found.setdefault(number, rest.strip())
    return found


def _crypto_attributes(block: _Section) -> Iterable[CryptoAttribute]:
    for value in block.attributes.get("crypto", []):
        parts = value.split()
        tag = whole_number(parts[0]) if parts else None
        if tag is None or len(parts) < 3 or parts[1] not in SUITES or not parts[2].startswith("inline:"):
            continue
        has_foreign = any(each.upper() not in ("", "WSH=64") for each in parts[3:])
        secret, *more = parts[2].removeprefix("inline:").split("|")  # its lifetime, and the identifier of a master key,
        has_foreign = has_foreign or any(":" in each for each in more)  # which packets would have to carry
        key = _key(secret)
        if key is not None and not has_foreign:
            yield CryptoAttribute(tag=tag, suite=parts[1], key=key)


def _key(text: str) -> bytes | None:
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_BYTES else None

"""A WebRTC peer made of our own parts: real STUN, DTLS and SRTP on a UDP socket, and a hand-written offer.

It does what a test tells it and nothing more, and keeps whatever arrives. The parts are the server's own, driven from
the other side, so it proves the wiring and not the formats: those are held against aioice, aiortc and Chromium
elsewhere.
"""

import math
import re
import secrets
import socket
from collections.abc import Callable, Sequence
from typing import Literal

import trio
from attrs import define, field, frozen

from protocol.webrtc import rtp, stun
from protocol.webrtc.demux import Datagram
from protocol.webrtc.dtls import DtlsContext, DtlsEndpoint
from protocol.webrtc.dtls_state import DtlsState
from protocol.webrtc.rtcp import Nack, PictureLoss, RtcpPacket, parse_compound
from protocol.webrtc.sdp import Fingerprint
from protocol.webrtc.srtp import SrtpError, SrtpReceiver, SrtpTransmitter
from protocol.webrtc.stun import Address
from tests.support.media.rtp_packets import build_header
from tests.support.webrtc.framed_socket import FramedSocket

AUDIO_SSRC, VIDEO_SSRC, RTX_SSRC = 1111, 2222, 3333
TWCC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
WRONG_FINGERPRINT = ":".join(["AB"] * 32)

_VIDEO_FEEDBACK = ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")


@frozen(kw_only=True)
class Received:
    """One RTP packet that came, decrypted."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    has_extension: bool
    padding: int


@frozen(kw_only=True)
class Answer:
    """What a peer needs from the server's answer."""

    ufrag: str
    pwd: str
    fingerprint: Fingerprint
    candidates: tuple[Address, ...]
    tcp_candidates: tuple[Address, ...]
    ssrcs: tuple[int, ...]
    setup: str

    @classmethod
    def parse(cls, text: str) -> "Answer":
        def values(pattern: str) -> list[str]:
            return re.findall(rf"^a={pattern}\r$", text, re.MULTILINE)

        algorithm, _, digest = values("fingerprint:(.*)")[0].partition(" ")

        def addresses(protocol: str, ending: str) -> tuple[Address, ...]:
            found = re.findall(rf"^a=candidate:\d+ 1 {protocol} \d+ (\S+) (\d+) {ending}\r$", text, re.MULTILINE)
            return tuple(dict.fromkeys((host, int(port)) for host, port in found))

        return cls(
            ufrag=values("ice-ufrag:(.*)")[0],
            pwd=values("ice-pwd:(.*)")[0],
            fingerprint=Fingerprint(algorithm=algorithm, value=digest),
            candidates=addresses("udp", "typ host"),
            tcp_candidates=addresses("tcp", "typ host tcptype passive"),
            ssrcs=tuple(dict.fromkeys(map(int, values(r"ssrc:(\d+) cname:.*")))),
            setup=values("setup:(.*)")[0],
        )


@define(eq=False, kw_only=True)
class MediaPeer:
    """Offer, `accept` the answer, let `run` run in a nursery, wait for `connected`.

    It goes `over_tcp`, or by UDP. `g711`: it takes that beside Opus, as 0 and 8. `video` is the rtpmap of the video
    codec, with payload type `video_type`; None for no video. `check_interval` is the pause between ICE checks after the
    first, which nominate if the peer `nominates`; it sends nothing on its own while `silent`, and answers the server's
    checks if it `answers_checks`. So many SRTP packets as `lose` says are thrown away unread, and the DTLS datagrams of
    the numbers in `lose_dtls`, from 0.
    """

    host: str = "127.0.0.1"
    over_tcp: bool = False
    audio: bool = True
    g711: bool = False
    video: str | None = "VP8/90000"
    video_type: int = 96
    video_fmtp: str = ""
    video_feedback: tuple[str, ...] = _VIDEO_FEEDBACK
    rtx_type: int | None = 97
    twcc: bool = True
    reduced_size: bool = True
    announce_ssrcs: bool = True
    fingerprint: str | None = None
    check_interval: float = 0.5
    nominates: bool = True
    silent: bool = False
    answers_checks: bool = True
    lose: int = 0
    lose_dtls: frozenset[int] = frozenset()
    context: DtlsContext = field(factory=DtlsContext.create)
    ufrag: str = field(factory=lambda: secrets.token_hex(4))
    pwd: str = field(factory=lambda: secrets.token_hex(12))
    received: list[Received] = field(init=False, factory=list)
    rtcp: list[RtcpPacket] = field(init=False, factory=list)
    compounds: list[bytes] = field(init=False, factory=list)
    undecryptable: int = field(init=False, default=0)
    datagrams: int = field(init=False, default=0)
    heard_from: Address | None = field(init=False, default=None)
    checks_answered: int = field(init=False, default=0)
    dtls_datagrams: int = field(init=False, default=0)
    after_close: int = field(init=False, default=0)
    connected: trio.Event = field(init=False, factory=trio.Event)
    closed: trio.Event = field(init=False, factory=trio.Event)
    failed: trio.Event = field(init=False, factory=trio.Event)
    lost: trio.Event = field(init=False, factory=trio.Event)
    answer: Answer = field(init=False)
    server: Address = field(init=False)
    dtls: DtlsEndpoint = field(init=False)
    udp: socket.socket = field(init=False)
    transmitter: SrtpTransmitter | None = field(init=False, default=None)
    _receiver: SrtpReceiver | None = field(init=False, default=None)
    _asked: set[bytes] = field(init=False, factory=set)
    _check_at: float = field(init=False, default=math.inf)
    _waiting: trio.CancelScope | None = field(init=False, default=None)
    _twcc_number: int = field(init=False, default=0)
    _changed: trio.Event = field(init=False, factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        self.udp = self._open()

    # -- offer and answer ----------------------------------------------------------------------------------------

    def publish_offer(self) -> str:
        return _offer(self, "sendonly")

    def play_offer(self) -> str:
        return _offer(self, "recvonly")

    def call_offer(self) -> str:
        return _offer(self, "sendrecv")

    def call_answer(self, offer: str) -> str:
        """Answer the server's offer of a call, and take it as `accept` takes an answer."""
        self.accept(offer)
        return _offer(self, "sendrecv").replace("a=setup:actpass", "a=setup:active")

    def accept(self, answer: str) -> None:
        """Take the answer; the server is reached at its first candidate of our own address family."""
        self.answer = Answer.parse(answer)
        candidates = self.answer.tcp_candidates if self.over_tcp else self.answer.candidates
        self.server = next(at for at in candidates if (":" in at[0]) == (":" in self.host))

    # -- life ----------------------------------------------------------------------------------------------------

    async def run(self, *, check_first: bool = True) -> None:
        """Connect, then receive and keep consent alive until cancelled."""
        self._check_at = trio.current_time() if check_first else math.inf
        try:
            while not self.lost.is_set():
                self._run_timers()
                await self._wait()
                self.poll()
        finally:
            self.udp.close()

    async def until(self, condition: Callable[[], bool], *, within: float = 60.0) -> None:
        """Wait until something that arrived, or did not, made `condition` true."""
        with trio.fail_after(within):
            while not condition():
                await self._changed.wait()

    async def until_received(self, count: int) -> None:
        """Wait for so many RTP packets in all."""
        await self.until(lambda: len(self.received) >= count)

    def check(self, *, nominate: bool = True, pwd: str | None = None, ufrag: str | None = None) -> None:
        """Send one ICE check."""
        self.send(self.check_datagram(nominate=nominate, pwd=pwd, ufrag=ufrag))

    def check_datagram(self, *, nominate: bool = True, pwd: str | None = None, ufrag: str | None = None) -> bytes:
        """One ICE check, for whom it may concern."""
        transaction_id = secrets.token_bytes(12)
        self._asked.add(transaction_id)
        return stun.build_request(
            transaction_id=transaction_id,
            username=f"{ufrag or self.answer.ufrag}:{self.ufrag}",
            key=(pwd or self.answer.pwd).encode(),
            priority=1,
            tie_breaker=1,
            use_candidate=nominate,
        )

    def start_dtls(self) -> None:
        role: Literal["client", "server"] = "server" if self.answer.setup == "active" else "client"
        self.dtls = DtlsEndpoint(self.context, [self.answer.fingerprint], role)
        self._flush_dtls()

    def rebind(self) -> None:
        """Go on from another port, as behind a NAT that lost its mapping."""
        self.udp.close()
        self.udp = self._open()
        if self._waiting is not None:
            self._waiting.cancel()  # it waits for the old socket

    def take_port_of(self, other: "MediaPeer") -> None:
        """Go on from the port of another peer, as when a NAT gives it away; the other one gets a new one."""
        self.udp.close()
        self.udp, other.udp = other.udp, other._open()
        if other._waiting is not None:
            other._waiting.cancel()

    def close(self) -> None:
        """Say close_notify, as a browser does in pc.close()."""
        self.dtls.close()
        self._flush_dtls()

    # -- sending -------------------------------------------------------------------------------------------------

    def send(self, datagram: bytes) -> None:
        self.udp.sendto(datagram, self.server)

    def rtp(
        self,
        sequence: int,
        payload: bytes,
        *,
        kind: str = "video",
        timestamp: int = 0,
        marker: bool = False,
        payload_type: int | None = None,
        ssrc: int | None = None,
    ) -> bytes:
        """Encrypt one RTP packet; it is to be sent, or lost, by the caller."""
        is_video = kind == "video"
        self._twcc_number = (self._twcc_number + 1) & 0xFFFF
        header = build_header(
            payload_type=(self.video_type if is_video else 111) if payload_type is None else payload_type,
            marker=marker,
            sequence=sequence & 0xFFFF,
            timestamp=timestamp,
            ssrc=ssrc or (VIDEO_SSRC if is_video else AUDIO_SSRC),
            extensions=[(3, self._twcc_number.to_bytes(2, "big"))] if self.twcc else [],
        )
        assert self.transmitter is not None
        return self.transmitter.protect(header + payload)

    def send_rtx(self, sequence: int, original: int, payload: bytes, *, timestamp: int = 0) -> None:
        body = original.to_bytes(2, "big") + payload
        self.send(self.rtp(sequence, body, timestamp=timestamp, payload_type=self.rtx_type, ssrc=RTX_SSRC))

    def send_rtcp(self, packet: bytes) -> None:
        assert self.transmitter is not None
        self.send(self.transmitter.protect_rtcp(packet))

    # -- what came -----------------------------------------------------------------------------------------------

    def media(self, ssrc: int) -> list[Received]:
        return [packet for packet in self.received if packet.ssrc == ssrc]

    @property
    def key_frame_requests(self) -> int:
        return sum(isinstance(packet, PictureLoss) for packet in self.rtcp)

    @property
    def nacked(self) -> list[int]:
        return [number for packet in self.rtcp if isinstance(packet, Nack) for number in packet.lost]

    # -- inside --------------------------------------------------------------------------------------------------

    def _open(self) -> socket.socket:
        if self.over_tcp:
            return FramedSocket(self.host)
        opened = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET, socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        opened.bind((self.host, 0))
        opened.setblocking(False)
        return opened

    def _run_timers(self) -> None:
        now = trio.current_time()
        if now >= self._check_at:
            self._check_at = now + self.check_interval
            if not self.silent:
                self.check(nominate=self.nominates)
        if hasattr(self, "dtls") and self.dtls.next_timeout() == 0:
            self.dtls.handle_timeout()
            self._flush_dtls()

    async def _wait(self) -> None:
        timeout = self.dtls.next_timeout() if hasattr(self, "dtls") else None
        deadline = min(self._check_at, math.inf if timeout is None else trio.current_time() + timeout)
        with trio.CancelScope(deadline=deadline) as self._waiting:
            await trio.lowlevel.wait_readable(self.udp)

    def poll(self) -> None:
        """Take what has arrived by now."""
        for _ in range(64):
            try:
                data, self.heard_from = self.udp.recvfrom(2048)
            except BlockingIOError:
                break
            except ConnectionError:
                self.lost.set()  # the server has closed the TCP connection
                break
            self._take(data)
        self._changed.set()
        self._changed = trio.Event()

    def _take(self, data: bytes) -> None:
        self.datagrams += 1
        if self.closed.is_set():
            self.after_close += 1
        kind = Datagram.of(data)
        if kind is Datagram.STUN:
            self._take_stun(stun.parse(data))
        elif kind is Datagram.DTLS:
            self._take_dtls(data)
        elif self.lose and kind is Datagram.RTP:
            self.lose -= 1
        elif self._receiver is not None:
            self._take_srtp(self._receiver, data)

    def _take_stun(self, message: stun.StunMessage) -> None:
        if message.kind is stun.StunClass.REQUEST:
            self._answer_check(message)
            return
        if message.transaction_id not in self._asked:
            return  # somebody asked in our name
        # RFC 8445 7.2.5.3: a response is authenticated by the password of the peer that was asked.
        assert message.kind is stun.StunClass.RESPONSE
        assert message.verify(self.answer.pwd.encode())
        if not hasattr(self, "dtls"):
            self.start_dtls()

    def _answer_check(self, request: stun.StunMessage) -> None:
        """One that is not for us is ignored."""
        if request.username == f"{self.ufrag}:{self.answer.ufrag}" and self.answers_checks:
            assert request.verify(self.pwd.encode())
            self.checks_answered += 1
            self.send(stun.build_response(request, self.server, self.pwd.encode()))

    def _take_dtls(self, data: bytes) -> None:
        number, self.dtls_datagrams = self.dtls_datagrams, self.dtls_datagrams + 1
        if number not in self.lose_dtls:
            self.dtls.feed(data)
            self._flush_dtls()
            self._follow_dtls()

    def _follow_dtls(self) -> None:
        if self.dtls.keys is not None and self.transmitter is None:
            self._receiver, self.transmitter = SrtpReceiver(self.dtls.keys), SrtpTransmitter(self.dtls.keys)
            self.connected.set()
        if self.dtls.state is DtlsState.CLOSED:
            self.closed.set()
        if self.dtls.state is DtlsState.FAILED:
            self.failed.set()

    def _take_srtp(self, receiver: SrtpReceiver, data: bytes) -> None:
        try:
            if Datagram.of(data) is Datagram.RTCP:
                self.compounds.append(receiver.unprotect_rtcp(data))
                self.rtcp += parse_compound(self.compounds[-1])
            else:
                self._take_rtp(receiver.unprotect(data))
        except SrtpError:
            self.undecryptable += 1

    def _take_rtp(self, plain: bytes) -> None:
        header = rtp.parse_header(plain)
        packet = Received(
            payload_type=header.payload_type,
            marker=header.marker,
            sequence=header.sequence,
            timestamp=header.timestamp,
            ssrc=header.ssrc,
            payload=rtp.payload(plain, header),
            has_extension=header.extension_profile != 0,
            padding=header.padding,
        )
        self.received.append(packet)

    def _flush_dtls(self) -> None:
        for datagram in self.dtls.take_datagrams():
            self.send(datagram)


def _offer(peer: MediaPeer, direction: str) -> str:
    sections = [_section(peer, "audio", direction)] if peer.audio else []
    sections += [_section(peer, "video", direction)] if peer.video else []
    mids = " ".join(str(mid) for mid in range(len(sections)))
    lines = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mids}"]
    for mid, section in enumerate(sections):
        lines += [*section, f"a=mid:{mid}", f"a={direction}", "a=rtcp-mux"]
        lines += ["a=rtcp-rsize"] if peer.reduced_size else []
        lines += [f"a=ice-ufrag:{peer.ufrag}", f"a=ice-pwd:{peer.pwd}", "a=setup:actpass"]
        lines += [f"a=fingerprint:sha-256 {peer.fingerprint or peer.context.fingerprint.value}"]
        lines += [f"a=extmap:3 {TWCC_URI}"] if peer.twcc else []
    return "\r\n".join(lines) + "\r\n"


def _section(peer: MediaPeer, kind: str, direction: str) -> list[str]:
    announce = peer.announce_ssrcs and direction == "sendonly"
    if kind == "audio":
        more = " 0 8" if peer.g711 else ""
        lines = [f"m=audio 9 UDP/TLS/RTP/SAVPF 111{more}", "c=IN IP4 0.0.0.0", "a=rtpmap:111 opus/48000/2"]
        lines += ["a=fmtp:111 minptime=10;useinbandfec=1", "a=rtcp-fb:111 transport-cc"]
        return lines + ([f"a=ssrc:{AUDIO_SSRC} cname:test"] if announce else [])
    types = [peer.video_type] + ([peer.rtx_type] if peer.rtx_type else [])
    lines = [f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, types))}", "c=IN IP4 0.0.0.0"]
    lines += [f"a=rtpmap:{peer.video_type} {peer.video}"]
    lines += [f"a=fmtp:{peer.video_type} {peer.video_fmtp}"] if peer.video_fmtp else []
    lines += [f"a=rtcp-fb:{peer.video_type} {f}" for f in peer.video_feedback]
    if peer.rtx_type:
        lines += [f"a=rtpmap:{peer.rtx_type} rtx/90000", f"a=fmtp:{peer.rtx_type} apt={peer.video_type}"]
    if announce:
        lines += [f"a=ssrc-group:FID {VIDEO_SSRC} {RTX_SSRC}"] if peer.rtx_type else []
        lines += [f"a=ssrc:{VIDEO_SSRC} cname:test"]
        lines += [f"a=ssrc:{RTX_SSRC} cname:test"] if peer.rtx_type else []
    return lines


def vp8_key_frame(filler: bytes = b"", *, width: int = 640, height: int = 480) -> bytes:
    """The first packet's payload of a VP8 key frame."""
    size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return b"\x10" + b"\x10\x00\x00" + b"\x9d\x01\x2a" + size + filler


def vp8_delta(filler: bytes = b"") -> bytes:
    """The payload of a packet that continues VP8 video."""
    return b"\x10\x11\x00\x00" + filler


def sequences(packets: Sequence[Received]) -> list[int]:
    return [packet.sequence for packet in packets]

"""A phone's media without its SIP: RTP and RTCP on a pair of ports, in the clear or by keys that it is given."""

import socket

import trio
from attrs import define, field

from protocol.calls.remote_media import RemoteMedia
from protocol.webrtc import rtp
from protocol.webrtc.demux import Datagram
from protocol.webrtc.rtcp import RtcpPacket, parse_compound
from protocol.webrtc.sdp import Codec, Direction
from protocol.webrtc.srtp import SrtpKeys, SrtpReceiver, SrtpTransmitter
from tests.support.media.rtp_packets import build_header
from tests.support.webrtc.media_peer import Received

PCMU = Codec(payload_type=0, name="PCMU", clock_rate=8_000)
PCMA = Codec(payload_type=8, name="PCMA", clock_rate=8_000)
EVENTS = Codec(payload_type=101, name="TELEPHONE-EVENT", clock_rate=8_000, fmtp="0-15")


def _bind() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind(("127.0.0.1", 0))
    opened.setblocking(False)
    return opened


@define(eq=False, kw_only=True)
class PlainPhone:
    """`server` is where it sends to, once known. It keeps whatever arrives."""

    codecs: tuple[Codec, ...] = (PCMU, EVENTS)
    ssrc: int = 4444
    keys: SrtpKeys | None = None
    server: tuple[str, int] = ("127.0.0.1", 9)
    received: list[Received] = field(init=False, factory=list)
    rtcp: list[RtcpPacket] = field(init=False, factory=list)
    sequence: int = field(init=False, default=500)
    _rtp: socket.socket = field(init=False, factory=_bind)
    _rtcp: socket.socket = field(init=False, factory=_bind)
    _receiver: SrtpReceiver | None = field(init=False, default=None)
    _transmitter: SrtpTransmitter | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        if self.keys is not None:
            self.secure(self.keys)

    def secure(self, keys: SrtpKeys) -> None:
        """Encrypt from now on; with the same keys nothing begins anew."""
        if keys != self.keys or self._receiver is None:
            self.keys, self._receiver, self._transmitter = keys, SrtpReceiver(keys), SrtpTransmitter(keys)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._rtp.getsockname()
        return host, port

    @property
    def rtcp_port(self) -> int:
        port: int = self._rtcp.getsockname()[1]
        return port

    def media(self, direction: Direction = Direction.SENDRECV, *, keys: SrtpKeys | None = None) -> RemoteMedia:
        """What its SDP says."""
        return RemoteMedia(
            address=self.address,
            rtcp=self._rtcp.getsockname(),
            codecs=self.codecs,
            direction=direction,
            keys=keys,
        )

    def talk(self, payload: bytes, *, payload_type: int | None = None, ssrc: int | None = None) -> None:
        """Send the next packet."""
        self.sequence += 1
        header = build_header(
            payload_type=self.codecs[0].payload_type if payload_type is None else payload_type,
            marker=False,
            sequence=self.sequence & 0xFFFF,
            timestamp=self.sequence * 160,
            ssrc=ssrc or self.ssrc,
        )
        packet = header + payload
        self._rtp.sendto(self._transmitter.protect(packet) if self._transmitter else packet, self.server)

    async def hear(self, count: int = 1, *, within: float = 60.0) -> list[Received]:
        """Wait until so many packets have come in all."""
        with trio.fail_after(within):
            while len(self.received) < count:
                await trio.lowlevel.wait_readable(self._rtp)
                self._take(self._rtp.recv(2048))
        return self.received

    async def hear_rtcp(self) -> list[RtcpPacket]:
        """Wait for the next compound."""
        with trio.fail_after(60):
            await trio.lowlevel.wait_readable(self._rtcp)
        data = self._rtcp.recv(2048)
        self.rtcp += parse_compound(self._receiver.unprotect_rtcp(data) if self._receiver else data)
        return self.rtcp

    def close(self) -> None:
        self._rtp.close()
        self._rtcp.close()

    def _take(self, data: bytes) -> None:
        assert Datagram.of(data) is Datagram.RTP
        plain = self._receiver.unprotect(data) if self._receiver else data
        header = rtp.parse_header(plain)
        self.received.append(
            Received(
                payload_type=header.payload_type,
                marker=header.marker,
                sequence=header.sequence,
                timestamp=header.timestamp,
                ssrc=header.ssrc,
                payload=rtp.payload(plain, header),
                has_extension=header.extension_profile != 0,
                padding=header.padding,
            )
        )

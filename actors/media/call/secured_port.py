"""A pair of ports with what encrypts their packets, if anything does."""

from actors.media.call.port_pairs import PortPair
from actors.media.io.sockets import UdpSocket
from protocol.webrtc.srtp import SrtpError, SrtpKeys, SrtpReceiver, SrtpTransmitter

Address = tuple[str, int]


class SecuredPort:
    """Nothing here waits: what the socket has no room for is lost, and counted in `unsent`."""

    def __init__(self, pair: PortPair) -> None:
        self.unsent = 0
        self._pair = pair
        self._keys: SrtpKeys | None = None
        self._is_secure = False
        self._receiver: SrtpReceiver | None = None
        self._transmitter: SrtpTransmitter | None = None

    def secure(self, keys: SrtpKeys | None) -> None:
        """Go on with these keys, or without.

        The packets' index goes on under the same key, also if there was none in between: a key that encrypts two
        packets of one index gives both away (RFC 3711 section 9.1).
        """
        self._is_secure, known = keys is not None, self._keys
        if keys is None:
            return
        if known is None or (keys.remote_key, keys.remote_salt) != (known.remote_key, known.remote_salt):
            self._receiver = SrtpReceiver(keys)
        if known is None or (keys.local_key, keys.local_salt) != (known.local_key, known.local_salt):
            self._transmitter = SrtpTransmitter(keys)
        self._keys = keys

    def unprotect(self, data: bytes) -> bytes:
        """The packet of RTP. Raises SrtpError."""
        return self._receiver.unprotect(data) if self._is_secure and self._receiver else data

    def unprotect_rtcp(self, data: bytes) -> bytes:
        """The packet of RTCP. Raises SrtpError."""
        return self._receiver.unprotect_rtcp(data) if self._is_secure and self._receiver else data

    def send(self, packet: bytes, to: Address) -> None:
        """Send a packet of RTP."""
        try:
            sealed = self._transmitter.protect(packet) if self._is_secure and self._transmitter else packet
        except SrtpError:
            self.unsent += 1
            return
        self._send(self._pair.rtp, sealed, to)

    def send_rtcp(self, packet: bytes, to: Address, *, muxed: bool) -> None:
        """Send a compound of RTCP, by the port of RTP if both share one."""
        sealed = self._transmitter.protect_rtcp(packet) if self._is_secure and self._transmitter else packet
        self._send(self._pair.rtp if muxed else self._pair.rtcp, sealed, to)

    def _send(self, udp: UdpSocket, data: bytes, to: Address) -> None:
        try:
            udp.sendto(data, to)
        except OSError:
            self.unsent += 1

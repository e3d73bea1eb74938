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
        self._receiver: SrtpReceiver | None = None
        self._transmitter: SrtpTransmitter | None = None

    def secure(self, keys: SrtpKeys | None) -> None:
        """Go on with these keys, or without; under the same keys the packets' index is kept (RFC 3711 3.3.1)."""
        if keys == self._keys:
            return
        if keys is None:
            self._receiver = self._transmitter = None
        elif self._keys is None or (keys.remote_key, keys.remote_salt) != (
            self._keys.remote_key,
            self._keys.remote_salt,
        ):
            self._receiver = SrtpReceiver(keys)
        if keys is not None and (
            self._keys is None or (keys.local_key, keys.local_salt) != (self._keys.local_key, self._keys.local_salt)
        ):
            self._transmitter = SrtpTransmitter(keys)
        self._keys = keys

    def unprotect(self, data: bytes) -> bytes:
        """The packet of RTP. Raises SrtpError."""
        return data if self._receiver is None else self._receiver.unprotect(data)

    def unprotect_rtcp(self, data: bytes) -> bytes:
        """The packet of RTCP. Raises SrtpError."""
        return data if self._receiver is None else self._receiver.unprotect_rtcp(data)

    def send(self, packet: bytes, to: Address) -> None:
        """Send a packet of RTP."""
        try:
            sealed = packet if self._transmitter is None else self._transmitter.protect(packet)
        except SrtpError:
            self.unsent += 1
            return
        self._send(self._pair.rtp, sealed, to)

    def send_rtcp(self, packet: bytes, to: Address, *, muxed: bool) -> None:
        """Send a compound of RTCP, by the port of RTP if both share one."""
        sealed = packet if self._transmitter is None else self._transmitter.protect_rtcp(packet)
        self._send(self._pair.rtp if muxed else self._pair.rtcp, sealed, to)

    def _send(self, udp: UdpSocket, data: bytes, to: Address) -> None:
        try:
            udp.sendto(data, to)
        except OSError:
            self.unsent += 1

"""A TCP connection to the server's media port, used as if it were a UDP socket (RFC 4571)."""

import socket

from protocol.webrtc.framing import PacketReader, framed
from protocol.webrtc.stun import Address

_UNUSED = ("127.0.0.1", 9)


class FramedSocket(socket.socket):
    """Connects with the first packet that is sent. It reads nothing while it is `deaf`."""

    def __init__(self, host: str, *, receive_buffer: int = 0) -> None:
        super().__init__(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        self.deaf = False
        self._reader = PacketReader()
        self._packets: list[bytes] = []
        self._is_connected = False
        if receive_buffer:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.bind((host, 0))
        self.settimeout(20)

    def sendto(self, packet: bytes, address: Address) -> int:  # type: ignore[override]  # ours is never given flags
        if not self._is_connected:
            self._is_connected = True
            self.connect(address)
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.setblocking(False)
        self.sendall(framed(packet))
        return len(packet)

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, Address]:
        """The next packet; BlockingIOError if none is complete, ConnectionError if the server has closed."""
        while not self._packets:
            if self.deaf or not self._is_connected:
                raise BlockingIOError
            data = self.recv(65536)
            if not data:
                raise ConnectionError("closed by the server")
            self._reader.feed(data)
            while self._reader.is_ready:
                self._packets += self._reader.take(64)
        return self._packets.pop(0), _UNUSED

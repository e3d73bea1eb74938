"""Viewers for a packet sender: recipients with keys of their own, and sockets that take what is sent to them."""

import hashlib
import select
import socket
from types import TracebackType
from typing import Any, Self

import pylibsrtp
from attrs import define, field

from actors.media.sending.sender import Recipient
from protocol.webrtc.srtp import SrtpError, SrtpKeys, SrtpProfile, SrtpReceiver, SrtpTransmitter

HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
NO_SUCH_PORT = 0  # the kernel refuses to send there
SINKS = 32
"""So many that the usual buffer of 200 kB for each holds a burst to all viewers."""


def keys_of(number: int, profile: SrtpProfile) -> SrtpKeys:
    """The same number gives the same keys, the same both ways."""
    digest = hashlib.sha256(number.to_bytes(4, "big")).digest()
    key, salt = digest[: profile.key_size], digest[-profile.salt_size :]
    return SrtpKeys(profile=profile, local_key=key, local_salt=salt, remote_key=key, remote_salt=salt)


def rtp_packet(sequence: int, size: int, *, filler: bytes = b"") -> bytes:
    header = b"\x80\x60" + (sequence & 0xFFFF).to_bytes(2, "big") + bytes(7) + b"\x01"
    return header + (filler or bytes([sequence & 0xFF])) * (size - len(header))


def open_socket(family: int = socket.AF_INET, *, buffer: int | None = None) -> socket.socket:
    """`buffer`: what to ask for; many systems grant 200 kB, whatever is asked."""
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        if buffer is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        opened.bind((HOSTS[socket.AddressFamily(family)], 0))
    except OSError:
        opened.close()
        raise
    return opened


@define(eq=False)
class Viewers:
    """One socket to send from, and those by which viewers receive, in turn. Use it as a context manager."""

    family: int = socket.AF_INET
    sinks: int = field(default=SINKS, kw_only=True)
    """With one, all viewers have the same address."""
    server: socket.socket = field(init=False)
    _sinks: list[socket.socket] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server = open_socket(self.family)
        self._sinks = [open_socket(self.family) for _ in range(self.sinks)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.close()
        for sink in self._sinks:
            sink.close()

    def address(self, number: int = 0) -> tuple[str, int]:
        """Where the viewer of this number receives."""
        address: tuple[str, int] = self._sinks[number % len(self._sinks)].getsockname()
        return address

    def recipient(
        self, number: int, *, profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM, start: int = 0, sound: bool = True
    ) -> Recipient:
        """A viewer with the keys of its number. One that is not `sound` has a session that refuses every packet."""
        transmitter = SrtpTransmitter(keys_of(number, profile))
        if not sound:
            policy = pylibsrtp.Policy(key=bytes(30), ssrc_type=pylibsrtp.Policy.SSRC_SPECIFIC, ssrc_value=0xFFFF)
            transmitter.session = pylibsrtp.Session(policy)
        return Recipient(transmitter=transmitter, socket=self.server, address=self.address(number), start=start)

    def refuse(self, recipient: Recipient) -> Recipient:
        """Give a viewer an address that nothing can be sent to."""
        recipient.address = recipient.address[0], NO_SUCH_PORT
        return recipient

    def arrived(self, count: int) -> list[bytes]:
        """`count` packets, for which it waits, and whatever else has come; those of a viewer in their order."""
        return [packet for packet, _ in self.arrived_from(count)]

    def arrived_from(self, count: int) -> list[tuple[bytes, Any]]:
        """The same, each with the address from which it came."""
        packets: list[tuple[bytes, Any]] = []
        while ready := select.select(self._sinks, [], [], 5 if len(packets) < count else 0)[0]:
            packets += [sink.recvfrom(2048) for sink in ready]
        return packets

    def owners(self, packets: list[bytes], count: int) -> list[int]:
        """Whose packets these are, of so many viewers, in the order of the viewers."""
        return sorted(self.who(packets, count))

    def who(self, packets: list[bytes], count: int) -> list[int]:
        """For each packet, whose it is of so many viewers, by whose keys decrypt it."""
        receivers = {number: SrtpReceiver(keys_of(number, SrtpProfile.AEAD_AES_128_GCM)) for number in range(count)}
        return [self.owner(packet, receivers) for packet in packets]

    def owner(self, packet: bytes, receivers: dict[int, SrtpReceiver]) -> int:
        """Whose packet this is, by whose keys decrypt it."""
        for number, receiver in receivers.items():
            try:
                receiver.unprotect(packet)
            except SrtpError:
                continue
            return number
        raise AssertionError("a packet that nobody can decrypt")

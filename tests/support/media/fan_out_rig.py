"""Viewers for a packet sender: recipients with keys of their own, and a socket that takes what is sent to them."""

import hashlib
import select
import socket
from types import TracebackType
from typing import Self

import pylibsrtp
from attrs import define, field

from actors.media.sending.sender import Recipient
from protocol.webrtc.srtp import SrtpError, SrtpKeys, SrtpProfile, SrtpReceiver, SrtpTransmitter

HOSTS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
NO_SUCH_PORT = 0  # the kernel refuses to send there


def keys_of(number: int, profile: SrtpProfile) -> SrtpKeys:
    """The same number gives the same keys, the same both ways."""
    digest = hashlib.sha256(number.to_bytes(4, "big")).digest()
    key, salt = digest[: profile.key_size], digest[-profile.salt_size :]
    return SrtpKeys(profile=profile, local_key=key, local_salt=salt, remote_key=key, remote_salt=salt)


def rtp_packet(sequence: int, size: int, *, filler: bytes = b"") -> bytes:
    header = b"\x80\x60" + (sequence & 0xFFFF).to_bytes(2, "big") + bytes(7) + b"\x01"
    return header + (filler or bytes([sequence & 0xFF])) * (size - len(header))


def open_socket(family: int = socket.AF_INET, *, buffer: int = 1 << 21) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_DGRAM)
    opened.setblocking(False)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    opened.bind((HOSTS[socket.AddressFamily(family)], 0))
    return opened


@define(eq=False)
class Viewers:
    """One socket to send from, one that all viewers receive by. Use it as a context manager."""

    family: int = socket.AF_INET
    server: socket.socket = field(init=False)
    sink: socket.socket = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server, self.sink = open_socket(self.family), open_socket(self.family)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.close()
        self.sink.close()

    def recipient(
        self, number: int, *, profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM, start: int = 0, sound: bool = True
    ) -> Recipient:
        """A viewer with the keys of its number. One that is not `sound` has a session that refuses every packet."""
        transmitter = SrtpTransmitter(keys_of(number, profile))
        if not sound:
            policy = pylibsrtp.Policy(key=bytes(30), ssrc_type=pylibsrtp.Policy.SSRC_SPECIFIC, ssrc_value=0xFFFF)
            transmitter.session = pylibsrtp.Session(policy)
        return Recipient(transmitter=transmitter, socket=self.server, address=self.sink.getsockname(), start=start)

    def refuse(self, recipient: Recipient) -> Recipient:
        """Give a viewer an address that nothing can be sent to."""
        recipient.address = recipient.address[0], NO_SUCH_PORT
        return recipient

    def arrived(self, count: int) -> list[bytes]:
        """`count` packets, for which it waits, and whatever else has come, in their order."""
        packets: list[bytes] = []
        while select.select([self.sink], [], [], 5 if len(packets) < count else 0)[0]:
            packets.append(self.sink.recv(2048))
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

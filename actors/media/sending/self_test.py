"""The proof that a packet sender does what the portable one does, on this machine, with these libraries.

Both run the same scenario on loopback: viewers come, go, move and fail; packets of many sizes are sent, alone and in
bursts. What arrives must be the same, byte for byte and from the same sockets, and so must the counters. On a node of a
cluster, the same goes for what it sends to other nodes.
"""

import select
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pylibsrtp
from attrs import frozen

from actors.media.io.sockets import UdpSocket
from actors.media.sending.sender import FanOut, PacketSender, PortableSender, Recipient
from protocol.webrtc.srtp import MAX_PACKET, SrtpKeys, SrtpProfile, SrtpTransmitter
from protocol.webrtc.stun import Address

VIEWERS = 67
"""One batch of 64, and a few in a second one."""
RECEIVERS = 16
"""Sockets. So many that the usual buffer of 200 kB for each holds the largest burst to all viewers."""

_PATIENCE = 1.0  # seconds for a packet to arrive; on loopback it is there when the call that sent it returns
_SIZES = (12, 13, 100, 1200, 1356, MAX_PACKET)
_BURSTS = (
    (1000, 1000),
    (1000, 1000, 1000, 400),
    (900, 901, 901),
    (1356,) * 9,
    (MAX_PACKET,) * 3,
    (12, 12),
    (700, 600, 600, 700),
)
_LOOPBACKS = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}

Arrived = tuple[int, int, bytes]
"""Numbers of the receiving and of the sending socket, and the bytes."""


class SelfTestFailed(Exception):
    """The sender is not to be used; the text says why."""


def prove(make_sender: Callable[[], PacketSender], *, for_nodes: bool = False) -> None:
    """Compare a sender with the portable one, in every address family that this machine has. Raises SelfTestFailed.

    `for_nodes`: also what it sends to other nodes, which leaves in another way.
    """
    families = [family for family in _LOOPBACKS if _exists(family)]
    if not families:
        raise SelfTestFailed("there is no loopback interface to test on")
    for family in families:
        for profile in SrtpProfile:
            where = f"{family.name}, {profile.name}"
            expected = _run(PortableSender(), family, profile, where)
            _compare(make_sender, expected, family, profile, where)
            if for_nodes:
                _compare(make_sender, expected, family, profile, f"{where}, for nodes", for_node=True)


def _compare(
    make_sender: Callable[[], PacketSender],
    expected: "_Transcript",
    family: int,
    profile: SrtpProfile,
    where: str,
    *,
    for_node: bool = False,
) -> None:
    try:
        done = _run(make_sender(), family, profile, where, for_node=for_node)
    except (AttributeError, LookupError, OSError, TypeError, ValueError, pylibsrtp.Error) as error:
        raise SelfTestFailed(f"{where}: {type(error).__name__}: {error}") from error
    if done != expected:
        raise SelfTestFailed(f"{where}: it does not send what the portable one sends")


_Step = tuple[list[tuple[bytes, int]], int]
"""Packets with their extended sequence numbers, and how many copies are to arrive."""


@frozen(kw_only=True)
class _Transcript:
    """What a scenario led to."""

    arrived: list[list[Arrived]]
    counted: list[tuple[int, int]]
    sums: tuple[int, int, int, int]


@frozen(eq=False)
class Loopback:
    """Two sockets to send from, and those that receive."""

    senders: Sequence[UdpSocket]
    receivers: Sequence[UdpSocket]

    @property
    def addresses(self) -> list[Address]:
        """Of the receiving sockets."""
        return [receiver.getsockname() for receiver in self.receivers]

    def collect(self, count: int) -> list[Arrived]:
        """`count` packets and any others, in an order that depends on the packets alone."""
        ports = [sender.getsockname()[1] for sender in self.senders]
        arrived: list[Arrived] = []
        while ready := select.select(self.receivers, [], [], _PATIENCE if len(arrived) < count else 0)[0]:
            for receiver in ready:
                data, source = receiver.recvfrom(2048)
                arrived.append((self.receivers.index(receiver), ports.index(source[1]), data))
        return sorted(arrived)


def _run(sender: PacketSender, family: int, profile: SrtpProfile, where: str, *, for_node: bool = False) -> _Transcript:
    with ExitStack() as stack:
        sockets = [stack.enter_context(_open(family)) for _ in range(2 + RECEIVERS)]
        loopback = Loopback(sockets[:2], sockets[2:])
        recipients = [_recipient(loopback, index, profile) for index in range(VIEWERS)]
        fan_out = sender.open(for_node=for_node)
        arrived = []
        for packets, expected in _scenario(fan_out, loopback, recipients):
            fan_out.queue([packet for packet, _ in packets], packets[0][1])
            sender.flush()
            arrived.append(loopback.collect(expected))
            if len(arrived[-1]) != expected:
                raise SelfTestFailed(f"{where}: {expected} packets sent, {len(arrived[-1])} arrived")
        return _Transcript(
            arrived=arrived,
            counted=[(recipient.dropped, recipient.failed) for recipient in recipients],
            sums=(fan_out.packets, fan_out.octets, sender.losses.dropped, sender.losses.failed),
        )


def _scenario(fan_out: FanOut, loopback: Loopback, recipients: list[Recipient]) -> Iterator[_Step]:
    """What happens up to each flush."""
    for recipient in recipients:
        fan_out.add(recipient)
    for sequence, size in enumerate(_SIZES, 65_534):  # over the wrap
        yield _packets(sequence, size), VIEWERS
    for start, burst in enumerate(_BURSTS):
        yield _packets(65_540 + 20 * start, *burst), VIEWERS * len(burst)

    fan_out.readdress(recipients[3], recipients[3].socket, (loopback.addresses[0][0], 0))  # the kernel refuses port 0
    fan_out.readdress(recipients[5], recipients[5].socket, loopback.addresses[0])
    fan_out.readdress(recipients[64], loopback.senders[1], recipients[64].address)
    yield _packets(65_700, 200), VIEWERS - 1
    yield _packets(65_701, MAX_PACKET + 1), 0
    yield _packets(65_702, 800, 800, MAX_PACKET + 1, 800, 300), 4 * (VIEWERS - 1)

    for recipient in (recipients[0], recipients[3], recipients[64], recipients[66]):
        fan_out.remove(recipient)
    recipients[0].start = 65_711
    fan_out.add(recipients[0])
    yield _packets(65_710, 300), VIEWERS - 4
    yield _packets(65_711, 300), VIEWERS - 3
    yield _packets(65_710, 300, 300, 300), 3 * (VIEWERS - 3) - 1

    for recipient in recipients[2:]:
        fan_out.remove(recipient)
    yield _packets(65_720, 400), 2
    fan_out.remove(recipients[0])
    yield _packets(65_721, 500), 1
    yield _packets(65_722, 500, 500), 2


def _packets(first: int, *sizes: int) -> list[tuple[bytes, int]]:
    """Packets in a row, with their extended sequence numbers."""
    return [(_packet(sequence, size), sequence) for sequence, size in enumerate(sizes, first)]


def _packet(sequence: int, size: int) -> bytes:
    header = b"\x80\x60" + (sequence & 0xFFFF).to_bytes(2, "big") + bytes(7) + b"\x01"
    return header + bytes(index & 0xFF for index in range(size - len(header)))


def _recipient(loopback: Loopback, index: int, profile: SrtpProfile) -> Recipient:
    """Each has its own key, so a packet tells whose it is."""
    key, salt = bytes([index]) * profile.key_size, bytes(profile.salt_size)
    keys = SrtpKeys(profile=profile, local_key=key, local_salt=salt, remote_key=key, remote_salt=salt)
    address = loopback.addresses[index % RECEIVERS]
    return Recipient(transmitter=SrtpTransmitter(keys), socket=loopback.senders[0], address=address, start=65_534)


def _open(family: int) -> UdpSocket:
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)  # its buffers are as small as systems make them: see RECEIVERS
        opened.bind((_LOOPBACKS[socket.AddressFamily(family)], 0))
    except OSError:
        opened.close()
        raise
    return opened


def _exists(family: int) -> bool:
    try:
        _open(family).close()
    except OSError:
        return False
    return True

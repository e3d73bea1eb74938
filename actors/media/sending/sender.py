"""Encrypting and sending: the loop over viewers that every forwarded packet goes through.

A `FanOut` is the set of viewers that get the same plaintext: one track, one payload type, one sequence offset. Viewers
come and go by `add` and `remove`; a packet goes to all of them by one call of `send`, or by `queue` and `flush`
together with others. What a viewer needs (keys, socket, address) is laid down once, in `add`, so that the loop itself
only encrypts and sends.

`PortableSender` is here; `fast_sender` has one that works on permanent memory and hands the kernel many packets in one
call; `sender_choice` chooses.
"""

from collections.abc import Callable
from typing import Protocol

import pylibsrtp
from attrs import define, field

from actors.media.io.sockets import UdpSocket
from protocol.webrtc.rtp import size_without_padding
from protocol.webrtc.srtp import MAX_PACKET, SrtpTransmitter
from protocol.webrtc.stun import Address

_Target = tuple[Callable[[bytes], bytes], Callable[[bytes, Address], int], Address, "Recipient"]


@define(eq=False, kw_only=True)
class Recipient:
    """One viewer's place in a `FanOut`.

    `start` is the extended sequence number of its first packet; -1 before it has one. `dropped` counts packets that the
    kernel had no room for, `failed` those that could not be encrypted or sent at all.
    """

    transmitter: SrtpTransmitter = field(repr=False)
    socket: UdpSocket = field(repr=False)
    address: Address
    start: int = -1
    dropped: int = 0
    failed: int = 0


@define(kw_only=True)
class Losses:
    """What all fan-outs of a sender together could not send, in the terms of `Recipient`."""

    dropped: int = 0
    failed: int = 0

    def drop(self, slot: Recipient) -> None:
        """The kernel had no room for this viewer's packet."""
        slot.dropped += 1
        self.dropped += 1

    def fail(self, slot: Recipient) -> None:
        """This viewer's packet could not be encrypted or sent."""
        slot.failed += 1
        self.failed += 1


class FanOut(Protocol):
    """The viewers that get the same plaintext.

    `packets` and `octets`, without padding, count what went to a viewer that is in all along.
    """

    packets: int
    octets: int

    def __len__(self) -> int:
        """How many viewers are in."""

    def add(self, slot: Recipient) -> None:
        """Take a viewer in; its first packet is the next one sent."""

    def remove(self, slot: Recipient) -> None:
        """No packet goes to this viewer from here on. One that is not in is ignored."""

    def readdress(self, slot: Recipient, socket: UdpSocket, address: Address) -> None:
        """The viewer is reached by another socket or address from here on. One that is not in may move too."""

    def send(self, packet: bytes, sequence: int) -> None:
        """Send one RTP packet to every viewer whose start is not behind the extended `sequence`. Never waits."""

    def queue(self, packet: bytes, sequence: int) -> None:
        """As `send`, in `PacketSender.flush` at the latest: packets that leave together may cost less."""


class PacketSender(Protocol):
    """Makes fan-outs. `name` says which implementation it is, `reason` why this one runs."""

    reason: str
    losses: Losses

    @property
    def name(self) -> str: ...

    @property
    def gathers(self) -> bool:
        """Whether packets that are queued together cost less than each by itself."""

    def open(self) -> FanOut: ...
    def flush(self) -> None:
        """Send what is queued in any fan-out."""


class PortableSender:
    """libsrtp through pylibsrtp's `Session.protect` and one `sendto` for each packet; runs everywhere."""

    name = "portable"
    gathers = False

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        self.losses = Losses()

    def open(self) -> FanOut:
        return _PortableFanOut(self.losses)

    def flush(self) -> None:
        """Nothing ever waits."""


class _PortableFanOut:
    def __init__(self, losses: Losses) -> None:
        self.packets = 0
        self.octets = 0
        self._losses = losses
        self._targets: dict[Recipient, _Target] = {}
        self._newest_start = -1

    def __len__(self) -> int:
        return len(self._targets)

    def add(self, slot: Recipient) -> None:
        self._newest_start = max(self._newest_start, slot.start)
        self._aim(slot)

    def remove(self, slot: Recipient) -> None:
        self._targets.pop(slot, None)

    def readdress(self, slot: Recipient, socket: UdpSocket, address: Address) -> None:
        slot.socket, slot.address = socket, address
        if slot in self._targets:
            self._aim(slot)

    def send(self, packet: bytes, sequence: int) -> None:
        self.packets += 1
        self.octets += size_without_padding(packet)
        if len(packet) > MAX_PACKET:
            for slot in self._targets:
                self._losses.fail(slot)
            return
        late = sequence < self._newest_start  # older than somebody's first packet, whose SRTP would not bear it
        # The hot loop: everything that a viewer needs stands in its target, nothing is looked up.
        for protect, sendto, address, slot in self._targets.values():
            if late and sequence < slot.start:
                continue
            try:
                sendto(protect(packet), address)
            except BlockingIOError:
                self._losses.drop(slot)
            except (OSError, pylibsrtp.Error):
                self._losses.fail(slot)

    def queue(self, packet: bytes, sequence: int) -> None:
        self.send(packet, sequence)

    def _aim(self, slot: Recipient) -> None:
        self._targets[slot] = slot.transmitter.session.protect, slot.socket.sendto, slot.address, slot

"""Encrypting and sending: the loop over viewers that every forwarded packet goes through.

A `FanOut` is the set of viewers that get the same plaintext: one track, one payload type, one sequence offset. `add`
and `remove` change the set. `send` sends a packet to all of them; `queue` and `flush` send it together with others.
`add` prepares what a viewer needs (keys, socket, address), so that the loop itself only encrypts and sends.

`PortableSender` is here; `fast_sender` has one that works on permanent memory and hands the kernel many packets in one
call; `sender_choice` chooses between the two.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import pylibsrtp
from attrs import define, field

from actors.media.io.outlet import Outlet
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
    socket: Outlet = field(repr=False)
    address: Address
    start: int = -1
    dropped: int = 0
    failed: int = 0


@define(kw_only=True)
class Losses:
    """What all fan-outs of a sender together could not send; `Recipient` explains the two counters."""

    dropped: int = 0
    failed: int = 0

    def drop(self, recipient: Recipient) -> None:
        """The kernel had no room for this viewer's packet."""
        recipient.dropped += 1
        self.dropped += 1

    def fail(self, recipient: Recipient) -> None:
        """This viewer's packet could not be encrypted or sent."""
        recipient.failed += 1
        self.failed += 1


class FanOut(Protocol):
    """The viewers that get the same plaintext.

    `packets` and `octets`, without padding, count what a viewer got that was in it from the start.
    """

    packets: int
    octets: int

    def __len__(self) -> int:
        """How many viewers it has."""

    def add(self, recipient: Recipient) -> None:
        """Add a viewer; its first packet is the next one sent."""

    def remove(self, recipient: Recipient) -> None:
        """Send no more packets to this viewer. One that is not in the fan-out is ignored."""

    def readdress(self, recipient: Recipient, socket: Outlet, address: Address) -> None:
        """The viewer is reached by another socket or address from here on. It need not be in the fan-out."""

    def send(self, packet: bytes, sequence: int) -> None:
        """Send one RTP packet to every viewer whose start is not behind the extended `sequence`. Never waits."""

    def queue(self, packets: Sequence[bytes], sequence: int) -> None:
        """As `send` for packets that follow each other, the first of which has this number; but perhaps later.

        They leave in `PacketSender.flush` at the latest: packets sent together may cost less.
        """


class PacketSender(Protocol):
    """Makes fan-outs. `name` is the implementation, `reason` is why it was chosen."""

    reason: str
    losses: Losses

    @property
    def name(self) -> str: ...

    @property
    def gathers(self) -> bool:
        """Whether packets that are queued together cost less than each by itself."""

    def open(self, *, for_node: bool = False) -> FanOut:
        """A new one. `for_node`: its viewers are other nodes, each of which gets many streams at one address."""

    def flush(self) -> None:
        """Send what is queued in any fan-out."""


class PortableSender:
    """libsrtp through pylibsrtp's `Session.protect` and one `sendto` for each packet; runs everywhere."""

    name = "portable"
    gathers = False

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        self.losses = Losses()

    def open(self, *, for_node: bool = False) -> FanOut:
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

    def add(self, recipient: Recipient) -> None:
        self._newest_start = max(self._newest_start, recipient.start)
        self._aim(recipient)

    def remove(self, recipient: Recipient) -> None:
        self._targets.pop(recipient, None)

    def readdress(self, recipient: Recipient, socket: Outlet, address: Address) -> None:
        recipient.socket, recipient.address = socket, address
        if recipient in self._targets:
            self._aim(recipient)

    def send(self, packet: bytes, sequence: int) -> None:
        self.packets += 1
        self.octets += size_without_padding(packet)
        if len(packet) > MAX_PACKET:
            for recipient in self._targets:
                self._losses.fail(recipient)
            return
        late = sequence < self._newest_start  # older than a viewer's first packet, so its SRTP would refuse it
        # The hot loop: a target has everything that a viewer needs, nothing is looked up.
        for protect, sendto, address, recipient in self._targets.values():
            if late and sequence < recipient.start:
                continue
            try:
                sendto(protect(packet), address)
            except BlockingIOError:
                self._losses.drop(recipient)
            except (OSError, pylibsrtp.Error):
                self._losses.fail(recipient)

    def queue(self, packets: Sequence[bytes], sequence: int) -> None:
        for number, packet in enumerate(packets, sequence):
            self.send(packet, number)

    def _aim(self, recipient: Recipient) -> None:
        protect, sendto = recipient.transmitter.session.protect, recipient.socket.sendto
        self._targets[recipient] = protect, sendto, recipient.address, recipient

"""Memory for sending one packet to many: packet buffers, and groups of viewers that the kernel takes in one call.

    PacketBuffers   64 copies of the packet under way, and the iovecs that tell the kernel where they are and how long
    SlotGroup       up to 64 viewers of one socket: their SRTP sessions, their addresses, and the mmsghdrs over both

A packet's copies are dead as soon as `sendmmsg` returns, so all groups use the same buffers in turn: they stay in the
processor's cache however many viewers there are. What belongs to a viewer for good is its place in a group.

libsrtp is called through the private parts of pylibsrtp (`_binding`, `Session._srtp`), which spares two copies and
three objects a packet. Its version is pinned, and `actors.media.sender_choice` proves at start that this works.
libsrtp writes a packet's new length, an int, straight into the iovec, whose length is a size_t: on a big-endian machine
that would be the wrong half.
"""

import errno
import importlib
import socket
import sys
from typing import Any, Final

import cffi

from actors.media.sender import Losses, Slot
from actors.media.sockets import UdpSocket

GROUP_SIZE = 64
"""Most viewers in one system call; of what more would save, nothing can be measured."""

_STRIDE = 1536  # from one buffer to the next: MAX_PACKET, the longest trailer of libsrtp (144), and a bit
_ADDRESS_SIZE = 32  # a sockaddr_in6 has 28 bytes

_SIZE_T: Final = "P"  # for memoryview: a pointer is as wide

CData = Any
_binding = importlib.import_module("pylibsrtp._binding")
_srtp: CData = _binding.ffi
_protect = _binding.lib.srtp_protect
_system = cffi.FFI()
_system.cdef(
    """
    struct iovec { void *iov_base; size_t iov_len; };
    struct msghdr {
        void *msg_name; unsigned int msg_namelen; struct iovec *msg_iov; size_t msg_iovlen;
        void *msg_control; size_t msg_controllen; int msg_flags;
    };
    struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
    int sendmmsg(int descriptor, struct mmsghdr *messages, unsigned int count, int flags);
    """
)
_libc: CData = _system.dlopen(None)
_sendmmsg = _libc.sendmmsg
_memmove = _system.memmove


class _Templates(dict[int, memoryview]):
    """Packet size -> the lengths of all buffers when each holds a packet of that size."""

    def __missing__(self, size: int) -> memoryview:
        length = size.to_bytes(_system.sizeof("size_t"), sys.byteorder)
        self[size] = memoryview(length * GROUP_SIZE).cast(_SIZE_T)
        return self[size]


class PacketBuffers:
    """The packet under way, as often as a group needs it."""

    def __init__(self) -> None:
        memory = _srtp.new("char[]", GROUP_SIZE * _STRIDE)
        iovecs = _system.new("struct iovec[]", GROUP_SIZE)
        self.packets = [memory + _STRIDE * index for index in range(GROUP_SIZE)]
        self.iovecs = [iovecs + index for index in range(GROUP_SIZE)]
        for iovec, packet in zip(self.iovecs, self.packets, strict=True):
            iovec.iov_base = _system.cast("void *", _address_of(_srtp, packet))
        places = [_address_of(_system, _system.addressof(iovec, "iov_len")) for iovec in self.iovecs]
        self.length_pointers = [_srtp.cast("int *", place) for place in places]
        # Every length at once, as numbers: they lie between the pointers to the packets.
        self.lengths = memoryview(_system.buffer(iovecs)).cast("B").cast(_SIZE_T)[1::2]
        self.first = memoryview(_srtp.buffer(memory, _STRIDE))
        self._owned = memory, iovecs  # the pointers into them do not keep them alive
        self._memory = memory
        self._templates = _Templates()
        self._doublings = [(self.packets[1 << step], _STRIDE << step) for step in range(GROUP_SIZE.bit_length() - 1)]

    def fill(self, packet: bytes, count: int) -> None:
        """Put a packet into the first `count` buffers, or more; the length into all."""
        _memmove(self._memory, packet, len(packet))
        for target, size in self._doublings[: (count - 1).bit_length()]:
            _memmove(target, self._memory, size)
        self.lengths[:] = self._templates[len(packet)]

    def fill_first(self, packet: bytes) -> None:
        """Put a packet into the first buffer alone."""
        _memmove(self._memory, packet, len(packet))
        self.lengths[0] = len(packet)


class SlotGroup:
    """Up to 64 viewers that are reached through one socket, without gaps. Their order means nothing.

    Whoever cannot be served is skipped, and counted in `losses`; the others still get the packet.
    """

    def __init__(self, buffers: PacketBuffers, udp: UdpSocket, losses: Losses) -> None:
        self.socket = udp
        self.slots: list[Slot] = []
        self._sessions: list[CData] = []
        self._buffers = buffers
        self._losses = losses
        self._addresses = _system.new("char[]", GROUP_SIZE * _ADDRESS_SIZE)
        self._messages = _system.new("struct mmsghdr[]", GROUP_SIZE)

    # -- who is in -----------------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        return len(self.slots) == GROUP_SIZE

    def append(self, slot: Slot) -> int:
        """Take a viewer in; its place."""
        index = len(self.slots)
        header = self._messages[index].msg_hdr
        header.msg_name = self._addresses + _ADDRESS_SIZE * index
        header.msg_iov = self._buffers.iovecs[index]
        header.msg_iovlen = 1
        self._sessions.append(_session(slot))
        self.slots.append(slot)
        self.readdress(index)
        return index

    def replace(self, index: int, slot: Slot) -> None:
        """Give a place to another viewer."""
        self._sessions[index] = _session(slot)
        self.slots[index] = slot
        self.readdress(index)

    def pop(self) -> Slot:
        """Take out the last viewer."""
        self._sessions.pop()
        return self.slots.pop()

    def readdress(self, index: int) -> None:
        """The address in a viewer's slot has changed."""
        name = _socket_address(self.socket.family, self.slots[index].address)
        _memmove(self._addresses + _ADDRESS_SIZE * index, name, len(name))
        self._messages[index].msg_hdr.msg_namelen = len(name)

    # -- sending -------------------------------------------------------------------------------------------------

    def send(self, packet: bytes) -> None:
        """Encrypt and send a packet of at most MAX_PACKET bytes to every viewer."""
        count = len(self.slots)
        if count == 1:
            self.send_to(0, packet)  # measured: a batch pays from two on
            return
        buffers = self._buffers
        buffers.fill(packet, count)
        # The hot loop of the server is this `map`: one call of libsrtp for each viewer, and no Python code between
        # two of them. A call gives 0, or the number of an error.
        if sum(map(_protect, self._sessions, buffers.packets, buffers.length_pointers)):
            self._deliver_sound(len(packet))
        else:
            self._deliver(0, count)

    def send_to(self, index: int, packet: bytes) -> None:
        """Encrypt and send a packet of at most MAX_PACKET bytes to one viewer."""
        buffers, slot = self._buffers, self.slots[index]
        buffers.fill_first(packet)
        if _protect(self._sessions[index], buffers.packets[0], buffers.length_pointers[0]):
            self._losses.fail(slot)
            return
        try:
            self.socket.sendto(buffers.first[: buffers.lengths[0]], slot.address)
        except BlockingIOError:
            self._losses.drop(slot)
        except OSError:
            self._losses.fail(slot)

    def _deliver_sound(self, size: int) -> None:
        """Some packet could not be encrypted, and so has not grown: send what is before, between and after such."""
        first = 0
        for index, slot in enumerate(self.slots):
            if self._buffers.lengths[index] <= size:
                self._losses.fail(slot)
                self._deliver(first, index)
                first = index + 1
        self._deliver(first, len(self.slots))

    def _deliver(self, first: int, end: int) -> None:
        """Hand a run of packets to the kernel.

        It stops before an entry that it cannot send, and says why when the next call begins there.
        """
        descriptor = self.socket.fileno()
        while first < end:
            sent = _sendmmsg(descriptor, self._messages + first, end - first, socket.MSG_DONTWAIT)
            if sent > 0:
                first += sent
            elif _system.errno == errno.EAGAIN:
                for slot in self.slots[first:end]:
                    self._losses.drop(slot)
                return
            else:
                self._losses.fail(self.slots[first])
                first += 1


def _session(slot: Slot) -> CData:
    """The srtp_t of a viewer; alive as long as its slot is."""
    return slot.transmitter.session._srtp[0]


def _address_of(ffi: CData, pointer: CData) -> int:
    return int(ffi.cast("uintptr_t", pointer))


def _socket_address(family: int, address: tuple[Any, ...]) -> bytes:
    """A sockaddr_in or sockaddr_in6, from a pair or, with flow label and scope, from what `recvfrom` gives."""
    host, port, *more = address
    start: bytes = family.to_bytes(2, sys.byteorder) + port.to_bytes(2, "big")
    if family == socket.AF_INET:
        return start + socket.inet_pton(family, host) + bytes(8)
    flow: int
    scope: int
    flow, scope = more or (0, 0)
    return start + flow.to_bytes(4, "big") + socket.inet_pton(family, host) + scope.to_bytes(4, sys.byteorder)

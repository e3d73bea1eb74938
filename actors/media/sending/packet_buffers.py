"""Memory for outgoing packets: copies of one packet or of a burst, and the iovecs that point to them.

Copies are no longer needed once `sendmmsg` returns, so all batches use the same buffers in turn: they stay in the
processor's cache however many viewers there are.

libsrtp writes a packet's new length, an int, straight into the iovec, whose length is a size_t: on a big-endian machine
that would be the wrong half; the self-test at start would find it.
"""

import importlib
import sys
from collections.abc import Sequence
from typing import Any, Final

from attrs import frozen

from actors.media.sending import sendmmsg

BUFFERS: Final = 64
"""Most packets in one system call; more save nothing that can be measured."""
LONGEST_BURST: Final = 8
"""Most packets in one message."""

STRIDE: Final = 1728
"""From one buffer to the next: MAX_PACKET, the longest trailer of libsrtp (144), and some spare."""
_SIZE_T: Final = "P"  # for memoryview: a pointer is as wide

CData = Any
_srtp: CData = importlib.import_module("pylibsrtp._binding").ffi
_memmove = _srtp.memmove  # of a compiled module; that of `sendmmsg.ffi` is a function of Python around it


class _Templates(dict[int, memoryview]):
    """Packet size -> the lengths of all buffers when each holds a packet of that size."""

    def __missing__(self, size: int) -> memoryview:
        length = size.to_bytes(sendmmsg.ffi.sizeof("size_t"), sys.byteorder)
        self[size] = memoryview(length * BUFFERS).cast(_SIZE_T)
        return self[size]


@frozen
class _Layout:
    """How bursts of one length lie in the buffers: the packets of a viewer one after the other, then the next viewer's.

    `columns` has, for each packet of the burst, the buffers and the places of the lengths of all viewers.
    """

    viewers: int
    columns: tuple[tuple[list[CData], list[CData]], ...]


class PacketBuffers:
    """The packet or burst that is being sent, as often as a batch needs it."""

    def __init__(self) -> None:
        self.longest_burst = LONGEST_BURST if sendmmsg.knows_segments() else 1
        memory = _srtp.new("char[]", BUFFERS * STRIDE)
        iovecs = sendmmsg.ffi.new("struct iovec[]", BUFFERS)
        self.packets = [memory + STRIDE * index for index in range(BUFFERS)]
        self.iovecs = [iovecs + index for index in range(BUFFERS)]
        for iovec, packet in zip(self.iovecs, self.packets, strict=True):
            iovec.iov_base = sendmmsg.ffi.cast("void *", _address_of(_srtp, packet))
        places = [_address_of(sendmmsg.ffi, sendmmsg.ffi.addressof(iovec, "iov_len")) for iovec in self.iovecs]
        self.length_pointers = [_srtp.cast("int *", place) for place in places]
        # Every length at once, as numbers: they lie between the pointers to the packets.
        self.lengths = memoryview(sendmmsg.ffi.buffer(iovecs)).cast("B").cast(_SIZE_T)[1::2]
        self.views = [memoryview(_srtp.buffer(packet, STRIDE)) for packet in self.packets]
        self._owned = memory, iovecs  # the pointers into them do not keep them alive
        self._memory = memory
        self._templates = _Templates()
        self._layouts: dict[int, _Layout] = {}
        self._doublings = [(self.packets[1 << step], STRIDE << step) for step in range(BUFFERS.bit_length() - 1)]

    def fill(self, packet: bytes, count: int) -> None:
        """Put a packet into the first `count` buffers, or more; the length into all."""
        _memmove(self._memory, packet, len(packet))
        for target, size in self._doublings[: (count - 1).bit_length()]:
            _memmove(target, self._memory, size)
        self.lengths[:] = self._templates[len(packet)]

    def layout(self, length: int) -> _Layout:
        """Where bursts of `length` packets lie."""
        if length not in self._layouts:
            columns = tuple((self.packets[k::length], self.length_pointers[k::length]) for k in range(length))
            self._layouts[length] = _Layout(BUFFERS // length, columns)
        return self._layouts[length]

    def fill_burst(self, burst: Sequence[bytes], viewers: int, first: int = 0) -> None:
        """Put a burst, of which all packets but the last have one size, into the buffers of `viewers` viewers.

        `first` is the first of these buffers; the lengths of all that follow are changed.
        """
        length, packets = len(burst), self.packets
        for target, packet in zip(packets[first : first + length], burst, strict=True):
            _memmove(target, packet, len(packet))
        done, total = length, length * viewers
        while done < total:
            more = min(done, total - done)
            _memmove(packets[first + done], packets[first], more * STRIDE)
            done += more
        self.lengths[first:] = self._templates[len(burst[0])][first:]
        if len(burst[-1]) != len(burst[0]):
            ends = range(first + length - 1, BUFFERS, length)
            self.lengths[ends.start :: length] = self._templates[len(burst[-1])][: len(ends)]

    def give_up_bursts(self) -> None:
        """The network interface cannot cut bursts into packets."""
        self.longest_burst = 1

    def fill_first(self, packet: bytes) -> None:
        """Put a packet into the first buffer alone."""
        _memmove(self._memory, packet, len(packet))
        self.lengths[0] = len(packet)


def _address_of(ffi: CData, pointer: CData) -> int:
    return int(ffi.cast("uintptr_t", pointer))

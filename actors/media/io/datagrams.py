"""Datagrams as they come, in permanent memory: up to 64 by one system call, each with its source and its time.

Nothing is made for a datagram until somebody asks for it. What is not media is copied out (`data`). Media is decrypted
and read where it lies (`actors.media.ingest.intake`).

recvmmsg(2) is Linux's; elsewhere the same memory is filled by one call for each datagram.
"""

import errno
import importlib
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Any, Final

from actors.media.io.messages import ADDRESS_SIZES, address_of, ffi, libc, socket_address
from protocol.webrtc.stun import Address

SLOTS: Final = 64
"""Most datagrams in one call."""
STRIDE: Final = 2048
"""Bytes from one datagram to the next, and the most that is read of one: more than any path carries in one piece."""

_NAME_STRIDE = 32  # a sockaddr_in6 has 28 bytes
_TIMESPEC = Struct("@ll")
_CONTROL = socket.CMSG_SPACE(_TIMESPEC.size)
_HEADER = socket.CMSG_LEN(0)
_STAMP = Struct(f"@{_HEADER}xll{_CONTROL - _HEADER - _TIMESPEC.size}x")

CData = Any
_MESSAGE = ffi.sizeof("struct mmsghdr")
_srtp: CData = importlib.import_module("pylibsrtp._binding").ffi
_receive_many: CData = getattr(libc, "recvmmsg", None) if sys.platform == "linux" else None


class Datagrams:
    """What the last `receive` has brought: `count` datagrams, which are valid until the next one.

    Datagram `index` begins at `index * STRIDE` of `memory` and came with `sizes[index]` bytes. libsrtp works on it by
    `pointers[index]` and `length_pointers[index]`, which changes `lengths[index]`. `names` are the sources as the
    kernel has them. `arrivals`, in seconds of the reader's clock, are given by the reader, and so is `first`: the
    datagrams before it are to be dropped.
    """

    def __init__(self) -> None:
        self.first = self.count = 0
        self.sizes: list[int] = []
        self.names: list[bytes] = []
        self.arrivals: Sequence[float] = ()
        memory = _srtp.new("char[]", SLOTS * STRIDE)
        self.memory = memoryview(_srtp.buffer(memory)).cast("B")
        self.pointers = [memory + STRIDE * index for index in range(SLOTS)]
        self._names, self._control = ffi.new("char[]", SLOTS * _NAME_STRIDE), ffi.new("char[]", SLOTS * _CONTROL)
        self._all_names = ffi.buffer(self._names)  # a slice of it is bytes
        self._iovecs, self._messages = ffi.new("struct iovec[]", SLOTS), ffi.new("struct mmsghdr[]", SLOTS)
        for index in range(SLOTS):
            self._point_to_slot(index)
        self._owned = memory  # the pointers into it do not keep it alive
        self._fresh = bytes(ffi.buffer(self._messages))  # the kernel writes over the sizes in it
        words = memoryview(ffi.buffer(self._messages)).cast("B").cast("I")
        self.lengths = words[ffi.offsetof("struct mmsghdr", "msg_len") // 4 :: _MESSAGE // 4]
        places = [int(ffi.cast("uintptr_t", ffi.addressof(self._messages[index], "msg_len"))) for index in range(SLOTS)]
        self.length_pointers = [_srtp.cast("int *", place) for place in places]
        self._family = int(socket.AF_INET)
        self._receive = _receive_many

    @property
    def has_more(self) -> bool:
        """Whether the next `receive` gives something without asking the kernel."""
        return False

    def receive(self, udp: socket.socket, family: int, most: int = SLOTS) -> int:
        """Read what waits, at most `most` datagrams; how many they are. Raises OSError.

        `family` is the socket's, which takes a while to ask it for.
        """
        self.first, self._family = 0, family
        if self._receive is None:
            self.count = self._receive_singly(udp, family, most)
        else:
            ffi.memmove(self._messages, self._fresh, self.count * _MESSAGE)
            count = self._receive(udp.fileno(), self._messages, most, socket.MSG_DONTWAIT, ffi.NULL)
            self.count = max(count, 0)
            if count < 0 and ffi.errno not in (errno.EAGAIN, errno.EWOULDBLOCK):
                raise OSError(ffi.errno, os.strerror(ffi.errno))
        self.sizes = self.lengths[: self.count].tolist()
        names, size = self._all_names, ADDRESS_SIZES[family]
        self.names = [names[place : place + size] for place in range(0, self.count * _NAME_STRIDE, _NAME_STRIDE)]
        return self.count

    def load(self, packets: Sequence[bytes], family: int, name: bytes, arrival: float) -> None:
        """Put packets here that came otherwise, at most SLOTS of at most STRIDE bytes, all from one source.

        Not where `receive` is used as well.
        """
        for index, packet in enumerate(packets):
            start, size = index * STRIDE, len(packet)
            self.memory[start : start + size] = packet
            self.lengths[index] = size
        self.first, self.count, self._family = 0, len(packets), family
        self.sizes = [len(packet) for packet in packets]
        self.names, self.arrivals = [name] * len(packets), [arrival] * len(packets)

    def stamps(self) -> Iterator[tuple[int, int]]:
        """When the kernel took each in, by the wall clock, in seconds and nanoseconds; zeros when it does not say."""
        return _STAMP.iter_unpack(ffi.buffer(self._control, self.count * _CONTROL))

    def data(self, index: int) -> bytes:
        """A datagram, as long as it has not been decrypted."""
        start = index * STRIDE
        return bytes(self.memory[start : start + self.sizes[index]])

    def source(self, index: int) -> Address:
        """Where a datagram came from."""
        return address_of(self._family, self.names[index])

    # -- inside --------------------------------------------------------------------------------------------------

    def _point_to_slot(self, index: int) -> None:
        iovec, header = self._iovecs[index], self._messages[index].msg_hdr
        iovec.iov_base = ffi.cast("void *", int(_srtp.cast("uintptr_t", self.pointers[index])))
        iovec.iov_len = STRIDE
        header.msg_name, header.msg_namelen = self._names + _NAME_STRIDE * index, _NAME_STRIDE
        header.msg_iov, header.msg_iovlen = self._iovecs + index, 1
        header.msg_control, header.msg_controllen = self._control + _CONTROL * index, _CONTROL

    def _receive_singly(self, udp: socket.socket, family: int, most: int) -> int:
        for index in range(most):
            room = self.memory[index * STRIDE : (index + 1) * STRIDE]
            try:
                size, ancillary, _, source = udp.recvmsg_into([room], _CONTROL)
            except BlockingIOError:
                return index
            self.lengths[index] = size
            name = socket_address(family, source)
            ffi.memmove(self._names + _NAME_STRIDE * index, name, len(name))
            if ancillary:
                stamp = ancillary[0][2]
                ffi.memmove(self._control + _CONTROL * index + _HEADER, stamp, len(stamp))
        return most

"""Datagrams that the kernel hands over joined: those of one size, from one source, that came together (UDP_GRO, Linux).

What another node sends as one message, packets of many streams (`actors.media.sending.joined_messages`), goes whole
through the network stacks of one machine. Between machines the receiver's joins again what the sender's has cut.
Packets of browsers are few from each source, so they are read one by one.
"""

import errno
import os
import socket
import sys
from array import array
from collections import deque
from collections.abc import Iterator
from itertools import repeat
from struct import Struct
from typing import Any, Final

from actors.media.io.datagrams import SLOTS, STRIDE, Datagrams
from actors.media.io.messages import ADDRESS_SIZES, ffi, libc

MESSAGES: Final = 16
"""Most messages in one call of the kernel."""

_LONGEST = 1 << 16  # bytes of a message
_UDP_GRO = 104  # Linux; the socket module has no name for it
_NAME_STRIDE = 32  # a sockaddr_in6 has 28 bytes
_WORD = ffi.sizeof("size_t")
_MESSAGE = ffi.sizeof("struct mmsghdr")
_HEADER, _TIMESPEC, _SIZE = socket.CMSG_LEN(0), Struct("@ll"), Struct("@i")
_TIME_ALONE, _SIZE_ALONE = socket.CMSG_SPACE(_TIMESPEC.size), socket.CMSG_SPACE(_SIZE.size)
_CONTROL = _TIME_ALONE + _SIZE_ALONE  # in this order (udp_recvmsg)

CData = Any
_Stamp = tuple[int, int]
_Part = tuple[int, int, int, bytes, _Stamp]
"""What has not been handed out of a message: from where to where, cut each so many bytes; its source and time."""


def join(udp: socket.socket) -> bool:
    """Let the kernel join what comes there; False where it cannot."""
    try:
        udp.setsockopt(socket.IPPROTO_UDP, _UDP_GRO, 1)
    except OSError:
        return False
    return sys.platform == "linux"


class JoinedDatagrams(Datagrams):
    """The datagrams of one socket for which `join` was called, one by one again."""

    def __init__(self) -> None:
        super().__init__()
        self._large = ffi.new("char[]", MESSAGES * _LONGEST)
        self._whole = memoryview(ffi.buffer(self._large)).cast("B")
        self._sources, self._notes = ffi.new("char[]", MESSAGES * _NAME_STRIDE), ffi.new("char[]", MESSAGES * _CONTROL)
        self._pieces, self._joined = ffi.new("struct iovec[]", MESSAGES), ffi.new("struct mmsghdr[]", MESSAGES)
        for index in range(MESSAGES):
            self._point_to_message(index)
        self._unread = bytes(ffi.buffer(self._joined))  # the kernel writes over the sizes in it
        rows = memoryview(ffi.buffer(self._joined)).cast("B")
        self._octets = rows.cast("I")[ffi.offsetof("struct mmsghdr", "msg_len") // 4 :: _MESSAGE // 4]
        self._noted = rows.cast("P")[ffi.offsetof("struct msghdr", "msg_controllen") // _WORD :: _MESSAGE // _WORD]
        self._parts = deque[_Part]()
        self._stamps: list[_Stamp] = []

    @property
    def has_more(self) -> bool:
        return bool(self._parts)

    def receive(self, udp: socket.socket, family: int, most: int = SLOTS) -> int:
        self.first = self.count = 0
        self.sizes, self.names, self._stamps = [], [], []
        self._family, may_wait = family, True
        while self.count < most and (self._parts or may_wait):
            if self._parts:
                self._hand_out(self._parts.popleft(), most - self.count)
            else:
                may_wait = self._read(udp, family)
        self.lengths[: self.count] = array("I", self.sizes)
        return self.count

    def stamps(self) -> Iterator[_Stamp]:
        return iter(self._stamps)

    # -- inside --------------------------------------------------------------------------------------------------

    def _read(self, udp: socket.socket, family: int) -> bool:
        """Read messages; whether there may be more. Raises OSError."""
        ffi.memmove(self._joined, self._unread, len(self._unread))
        count = libc.recvmmsg(udp.fileno(), self._joined, MESSAGES, socket.MSG_DONTWAIT, ffi.NULL)
        if count <= 0:
            if ffi.errno not in (errno.EAGAIN, errno.EWOULDBLOCK):
                raise OSError(ffi.errno, os.strerror(ffi.errno))
            return False
        names, size = bytes(ffi.buffer(self._sources, count * _NAME_STRIDE)), ADDRESS_SIZES[family]
        notes, begin, name = ffi.buffer(self._notes), 0, 0
        figures = zip(self._octets[:count].tolist(), self._noted[:count].tolist(), strict=True)
        for index, (octets, noted) in enumerate(figures):
            each, stamp = _read_note(notes, index * _CONTROL, noted)
            self._parts.append((begin, begin + octets, each or octets or 1, names[name : name + size], stamp))
            begin, name = begin + _LONGEST, name + _NAME_STRIDE
        return bool(count == MESSAGES)

    def _hand_out(self, part: _Part, most: int) -> None:
        """Put the datagrams of a message into the slots, at most so many; the rest is put back."""
        begin, end, size, name, stamp = part
        if end - begin > most * size:
            end = begin + most * size
            self._parts.appendleft((end, part[1], size, name, stamp))
        memory, whole, place, kept = self.memory, self._whole, self.count * STRIDE, min(size, STRIDE)
        others = max(0, (end - begin - 1) // size)  # all but the last one, which may be shorter
        for _ in repeat(None, others):
            memory[place : place + kept] = whole[begin : begin + kept]
            begin, place = begin + size, place + STRIDE
        last = min(end - begin, STRIDE)
        memory[place : place + last] = whole[begin : begin + last]
        self.count += others + 1
        if others:
            self.sizes += repeat(kept, others)
            self.names += repeat(name, others)
            self._stamps += repeat(stamp, others)
        self.sizes.append(last)
        self.names.append(name)
        self._stamps.append(stamp)

    def _point_to_message(self, index: int) -> None:
        piece, header = self._pieces[index], self._joined[index].msg_hdr
        piece.iov_base, piece.iov_len = self._large + index * _LONGEST, _LONGEST
        header.msg_name, header.msg_namelen = self._sources + index * _NAME_STRIDE, _NAME_STRIDE
        header.msg_iov, header.msg_iovlen = self._pieces + index, 1
        header.msg_control, header.msg_controllen = self._notes + index * _CONTROL, _CONTROL


def _read_note(notes: CData, place: int, size: int) -> tuple[int, _Stamp]:
    """What the kernel says of a message: bytes of each of its datagrams, 0 if it is one; when it came, if known."""
    stamp = _TIMESPEC.unpack_from(notes, place + _HEADER) if size in (_TIME_ALONE, _CONTROL) else (0, 0)
    if size in (_TIME_ALONE, 0):
        return 0, stamp
    (octets,) = _SIZE.unpack_from(notes, place + size - _SIZE_ALONE + _HEADER)
    return octets, stamp

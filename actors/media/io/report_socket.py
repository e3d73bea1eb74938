"""A second socket of a media port, for receiver reports: datagrams that nobody waits for.

Every viewer sends a report a second, and a wake-up for each would cost more than reading it. The kernel recognizes them
by their first two bytes, which SRTCP leaves in the clear (RFC 3711 section 3.4), and delivers them to this socket,
which may be read whenever there is time. Urgent feedback comes in separate packets (RFC 5506: a NACK, a key frame
request) or is not RTCP at all, and still goes to the media socket.
"""

import contextlib
import socket
from array import array
from struct import Struct
from typing import Final

from actors.runtime.logs import get_logger

_SO_ATTACH_REUSEPORT_CBPF: Final = 51  # Linux 4.5; the socket module has no name for it
_INSTRUCTION = Struct("=HBBI")  # struct sock_filter: operation, jumps if true and if not, operand
_PROGRAM_HEADER = Struct("@HP")  # struct sock_fprog: number of instructions, and their address
_LOAD_BYTE, _AND, _JUMP_IF_EQUAL, _RETURN = 0x30, 0x54, 0x15, 0x06
_MEDIA, _REPORTS = 0, 1  # the sockets in the order in which they were bound

_PROGRAM: Final = (
    (_LOAD_BYTE, 0, 0, 0),
    (_AND, 0, 0, 0xC0),
    (_JUMP_IF_EQUAL, 0, 3, 0x80),  # RTP version 2
    (_LOAD_BYTE, 0, 0, 1),
    (_JUMP_IF_EQUAL, 0, 1, 201),  # RR (RFC 3550 section 12.1)
    (_RETURN, 0, 0, _REPORTS),
    (_RETURN, 0, 0, _MEDIA),
)
"""Classic BPF over what follows the UDP header. A load beyond the end ends it as `_MEDIA` does."""

log = get_logger("media")


def open_report_socket(media: socket.socket) -> socket.socket | None:
    """A socket bound as `media` is, which gets the reports from here on; None where the system has no such thing.

    `media` was bound alone: a port that somebody else has was refused then, which sharing it (SO_REUSEPORT) would hide.
    """
    reports = socket.socket(media.family, socket.SOCK_DGRAM)
    try:
        reports.setblocking(False)
        for each in (media, reports):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reports.bind(media.getsockname())
        _direct(media)
    except OSError as error:
        reports.close()
        with contextlib.suppress(OSError):
            media.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 0)
        log.info("receiver reports have no socket of their own", error=error.strerror)
        return None
    return reports


def _direct(media: socket.socket) -> None:
    """Let the kernel choose the socket by the program; it copies the program."""
    code = array("B", b"".join(_INSTRUCTION.pack(*instruction) for instruction in _PROGRAM))
    address, _ = code.buffer_info()
    media.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, _PROGRAM_HEADER.pack(len(_PROGRAM), address))

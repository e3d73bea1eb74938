"""STUN messages as ICE uses them (RFC 8489, RFC 8445 section 7).

A codec for binding requests and their responses, a few times faster than a general one, because every viewer sends a
check every two seconds. Any byte string gives a `StunMessage` or a `StunError`. Parsing checks FINGERPRINT when there
is one; `StunMessage.verify` checks MESSAGE-INTEGRITY, once the user name shows which password to use.
"""

import binascii
import enum
import hmac
import ipaddress
from functools import lru_cache
from struct import Struct
from typing import TypeAlias

from attrs import field, frozen

from protocol.common.errors import ProtocolError

Address: TypeAlias = tuple[str, int]
"""Host and port as a socket gives them. The two extra members of an IPv6 socket address are passed through."""

COOKIE = 0x2112A442
HEADER_SIZE = 20
TRANSACTION_ID_SIZE = 12
BINDING = 0x001

_FINGERPRINT_XOR = 0x5354554E
_FINGERPRINT_SIZE = 8
_INTEGRITY_SIZE = 24
_IPV4 = 1
_IPV6 = 2

_USERNAME = 0x0006
_MESSAGE_INTEGRITY = 0x0008
_ERROR_CODE = 0x0009
_UNKNOWN_ATTRIBUTES = 0x000A
_XOR_MAPPED_ADDRESS = 0x0020
_PRIORITY = 0x0024
_USE_CANDIDATE = 0x0025
_FINGERPRINT = 0x8028
_ICE_CONTROLLED = 0x8029
_ICE_CONTROLLING = 0x802A
_DTLS = 0xC070
"""META-DTLS-IN-STUN (draft-hancke-webrtc-sped)."""
_OPTIONAL = 0x8000
"""Unknown attributes of this type and above may be ignored (RFC 8489 section 14)."""

_HEADER = Struct("!HHI12s")
_ATTRIBUTE = Struct("!HH")
_U16 = Struct("!H")
_U32 = Struct("!I")
_U64 = Struct("!Q")


class StunError(ProtocolError):
    """The bytes are not a STUN message that ICE could have sent."""


class StunClass(enum.Enum):
    """What a message is for (RFC 8489 section 5); the value is the class bits of the message type."""

    REQUEST = 0x000
    INDICATION = 0x010
    RESPONSE = 0x100
    ERROR = 0x110


_CLASS_BITS = 0x110
_CLASSES = {kind.value: kind for kind in StunClass}


@frozen(kw_only=True)
class StunMessage:
    """A parsed message. Attributes after MESSAGE-INTEGRITY are left out, because they are not authenticated.

    `method` is 1 for a binding. `unknown_required` holds the types of unknown comprehension-required attributes.
    `error_code` is 300 to 699, and None in anything but an error response. `dtls` is a
    datagram of DTLS, which is not authenticated.
    """

    kind: StunClass
    method: int
    transaction_id: bytes
    username: str | None = None
    priority: int | None = None
    use_candidate: bool = False
    ice_controlling: int | None = None
    ice_controlled: int | None = None
    xor_mapped_address: Address | None = None
    error_code: int | None = None
    dtls: bytes | None = field(repr=False, default=None)
    unknown_required: tuple[int, ...] = ()
    has_fingerprint: bool = False
    _data: bytes = field(repr=False, eq=False)
    _integrity_offset: int | None = field(repr=False, eq=False, default=None)

    @property
    def local_ufrag(self) -> str | None:
        """The receiver's user fragment: the part of a check's USERNAME before the colon (RFC 8445 section 7.2.2)."""
        return None if self.username is None else self.username.partition(":")[0]

    def verify(self, key: bytes) -> bool:
        """Whether MESSAGE-INTEGRITY is present and was made with `key`, the receiver's ICE password."""
        offset = self._integrity_offset
        if offset is None:
            return False
        data = self._data
        # The sender's length field ended with MESSAGE-INTEGRITY when it was computed (RFC 8489 section 14.5).
        signed = data[:2] + _U16.pack(offset - HEADER_SIZE + _INTEGRITY_SIZE) + data[4:offset]
        return hmac.compare_digest(data[offset + 4 : offset + _INTEGRITY_SIZE], hmac.digest(key, signed, "sha1"))


def parse(data: bytes) -> StunMessage:
    """Read one datagram. Raises `StunError` when it is malformed or its FINGERPRINT does not match."""
    if len(data) < HEADER_SIZE:
        raise StunError("STUN message is shorter than its header")
    message_type, length, cookie, transaction_id = _HEADER.unpack_from(data)
    if message_type & 0xC000 or cookie != COOKIE:
        raise StunError("not a STUN message")
    if length != len(data) - HEADER_SIZE or length % 4:
        raise StunError("STUN message length does not match")
    values, unknown, integrity_offset = _attributes(data)
    return StunMessage(
        kind=_CLASSES[message_type & _CLASS_BITS],
        method=_method(message_type),
        transaction_id=transaction_id,
        username=_text(values.get(_USERNAME)),
        priority=_unsigned(_U32, values.get(_PRIORITY)),
        use_candidate=_USE_CANDIDATE in values,
        ice_controlling=_unsigned(_U64, values.get(_ICE_CONTROLLING)),
        ice_controlled=_unsigned(_U64, values.get(_ICE_CONTROLLED)),
        xor_mapped_address=_unpack_address(values.get(_XOR_MAPPED_ADDRESS), transaction_id),
        error_code=_error_code(values.get(_ERROR_CODE)),
        dtls=values.get(_DTLS),
        unknown_required=unknown,
        has_fingerprint=_FINGERPRINT in values,
        data=data,
        integrity_offset=integrity_offset,
    )


def _attributes(data: bytes) -> tuple[dict[int, bytes], tuple[int, ...], int | None]:
    """The attributes that count, the types of unknown required ones, and the position of MESSAGE-INTEGRITY.

    Of repeated attributes the first counts; after MESSAGE-INTEGRITY only FINGERPRINT does (RFC 8489 sections 14, 14.5).
    """
    values: dict[int, bytes] = {}
    unknown: list[int] = []
    integrity_offset: int | None = None
    end = len(data)
    position = HEADER_SIZE
    while position < end:
        kind, size = _ATTRIBUTE.unpack_from(data, position)
        start = position + 4
        stop = start + size
        if stop > end:
            raise StunError("STUN attribute is truncated")
        if kind == _FINGERPRINT:
            _check_fingerprint(data, position)
            values[kind] = data[start:stop]
        elif integrity_offset is not None:
            pass
        elif kind == _MESSAGE_INTEGRITY:
            integrity_offset = position
            if size != _INTEGRITY_SIZE - 4:
                raise StunError("STUN message integrity has a wrong length")
        elif kind in _KNOWN:
            values.setdefault(kind, data[start:stop])
        elif kind < _OPTIONAL:
            unknown.append(kind)
        position = stop + 3 & ~3
    return values, tuple(unknown), integrity_offset


_KNOWN = {_USERNAME, _ERROR_CODE, _UNKNOWN_ATTRIBUTES, _XOR_MAPPED_ADDRESS, _PRIORITY, _USE_CANDIDATE}
_KNOWN |= {_ICE_CONTROLLED, _ICE_CONTROLLING, _DTLS}


def _check_fingerprint(data: bytes, position: int) -> None:
    """FINGERPRINT is the last attribute, and covers the message's actual length field (RFC 8489 section 14.7)."""
    if position + _FINGERPRINT_SIZE != len(data):
        raise StunError("STUN fingerprint is not the last attribute")
    if data[position + 2 :] != b"\x00\x04" + _U32.pack(binascii.crc32(data[:position]) ^ _FINGERPRINT_XOR):
        raise StunError("STUN fingerprint does not match")


def build_request(
    *,
    transaction_id: bytes,
    username: str,
    key: bytes,
    priority: int,
    tie_breaker: int,
    use_candidate: bool = False,
    controlling: bool = True,
) -> bytes:
    """Write a connectivity check (RFC 8445 section 7.1), as a full ICE agent sends it.

    `username` is `receiver:sender`, `key` the receiver's password, `tie_breaker` 64 random bits.
    """
    body = _attribute(_USERNAME, username.encode()) + _attribute(_PRIORITY, _U32.pack(priority))
    body += _attribute(_ICE_CONTROLLING if controlling else _ICE_CONTROLLED, _U64.pack(tie_breaker))
    if use_candidate:
        body += _attribute(_USE_CANDIDATE, b"")
    return _seal(BINDING | StunClass.REQUEST.value, transaction_id, body, key)


def build_plain_request(transaction_id: bytes) -> bytes:
    """Write what asks a STUN server for the address that it sees the request come from (RFC 8489 section 2)."""
    return _HEADER.pack(BINDING | StunClass.REQUEST.value, 0, COOKIE, transaction_id)


def build_dtls_indication(transaction_id: bytes, username: str, datagram: bytes) -> bytes:
    """Write an indication that carries a datagram of DTLS; `username` is `receiver:sender`."""
    body = _attribute(_USERNAME, username.encode()) + _attribute(_DTLS, datagram)
    return _HEADER.pack(BINDING | StunClass.INDICATION.value, len(body), COOKIE, transaction_id) + body


def build_response(request: StunMessage, address: Address, key: bytes) -> bytes:
    """Write the success response: `address` is where the request came from, `key` the password that verified it."""
    value = _pack_address(address[0], address[1], request.transaction_id)
    return _seal(BINDING | StunClass.RESPONSE.value, request.transaction_id, value, key)


def build_unknown_attributes(request: StunMessage, key: bytes) -> bytes:
    """Write the 420 error response that lists the attributes we do not know (RFC 8489 section 6.3.1)."""
    unknown = b"".join(map(_U16.pack, request.unknown_required))
    body = _attribute(_ERROR_CODE, b"\x00\x00\x04\x14Unknown Attribute") + _attribute(_UNKNOWN_ATTRIBUTES, unknown)
    return _seal(BINDING | StunClass.ERROR.value, request.transaction_id, body, key)


def _seal(message_type: int, transaction_id: bytes, body: bytes, key: bytes) -> bytes:
    """Add header, MESSAGE-INTEGRITY and FINGERPRINT; the length field covers each as it is computed."""
    if len(transaction_id) != TRANSACTION_ID_SIZE:
        raise ValueError("a STUN transaction id has 12 bytes")
    size = len(body) + _INTEGRITY_SIZE
    digest = hmac.digest(key, _HEADER.pack(message_type, size, COOKIE, transaction_id) + body, "sha1")
    data = _HEADER.pack(message_type, size + _FINGERPRINT_SIZE, COOKIE, transaction_id) + body
    data += _ATTRIBUTE.pack(_MESSAGE_INTEGRITY, len(digest)) + digest
    return data + _ATTRIBUTE.pack(_FINGERPRINT, 4) + _U32.pack(binascii.crc32(data) ^ _FINGERPRINT_XOR)


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)


def _method(message_type: int) -> int:
    """Collect the method bits, which the class bits split into three groups (RFC 8489 section 5)."""
    return message_type & 0x000F | (message_type & 0x00E0) >> 1 | (message_type & 0x3E00) >> 2


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        raise StunError("STUN user name is not UTF-8") from None


def _unsigned(layout: Struct, value: bytes | None) -> int | None:
    if value is None:
        return None
    if len(value) != layout.size:
        raise StunError("STUN number has a wrong length")
    number: int = layout.unpack(value)[0]
    return number


def _error_code(value: bytes | None) -> int | None:
    if value is None:
        return None
    if len(value) < 4 or not 3 <= (value[2] & 7) <= 6 or value[3] > 99:
        raise StunError("STUN error code is malformed")
    return (value[2] & 7) * 100 + value[3]


@lru_cache(maxsize=4096)
def _plain_address(host: str, port: int) -> tuple[int, bytes, int]:
    """Family, port and packed host. Cached: a peer asks from the same address every two seconds."""
    address = ipaddress.ip_address(host)
    return (_IPV4 if address.version == 4 else _IPV6), _U16.pack(port ^ (COOKIE >> 16)), int(address)


def _address_mask(family: int, transaction_id: bytes) -> int:
    return COOKIE if family == _IPV4 else COOKIE << 96 | int.from_bytes(transaction_id, "big")


def _pack_address(host: str, port: int, transaction_id: bytes) -> bytes:
    """Write XOR-MAPPED-ADDRESS (RFC 8489 section 14.2)."""
    family, masked_port, number = _plain_address(host, port)
    size = 4 if family == _IPV4 else 16
    masked = (number ^ _address_mask(family, transaction_id)).to_bytes(size, "big")
    return _ATTRIBUTE.pack(_XOR_MAPPED_ADDRESS, size + 4) + bytes((0, family)) + masked_port + masked


def _unpack_address(value: bytes | None, transaction_id: bytes) -> Address | None:
    if value is None:
        return None
    if len(value) not in (8, 20) or value[1] != (_IPV4 if len(value) == 8 else _IPV6):
        raise StunError("STUN address is malformed")
    number = int.from_bytes(value[4:], "big") ^ _address_mask(value[1], transaction_id)
    host = ipaddress.IPv4Address(number) if value[1] == _IPV4 else ipaddress.IPv6Address(number)
    return str(host), int.from_bytes(value[2:4], "big") ^ (COOKIE >> 16)

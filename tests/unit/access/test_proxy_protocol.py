"""The PROXY protocol's header: bytes that HAProxy 2.6 sent, what the specification allows, and what it does not."""

import contextlib
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.access.client_address import ClientAddress
from protocol.access.proxy_protocol import MAX_LENGTH, SIGNATURE, ProxyHeaderError, ProxyHeaderParser

HAPROXY_V4 = bytes.fromhex("0d0a0d0a000d0a515549540a2111000c7f0000017f00000186e84a39")
HAPROXY_V6 = bytes.fromhex(
    "0d0a0d0a000d0a515549540a212100240000000000000000000000000000000100000000000000000000000000000001a4c84a3a"
)
HAPROXY_HEALTH_CHECK = bytes.fromhex("0d0a0d0a000d0a515549540a20000000")
HAPROXY_OPTIONS = bytes.fromhex(
    "0d0a0d0a000d0a515549540a2111001e7f0000017f000001e7a84a3b03000446b340e20500002000050000000000"
)
"""With `send-proxy-v2-ssl-cn proxy-v2-options crc32c,unique-id`, of a client without TLS."""


def header(rest: bytes, *, version: int = 2, command: int = 1, family: int = 0x11, length: int | None = None) -> bytes:
    start = struct.pack("!BBH", version << 4 | command, family, len(rest) if length is None else length)
    return SIGNATURE + start + rest


def v4(source: str = "192.0.2.7", port: int = 40000) -> bytes:
    return ip_address(source).packed + ip_address("198.51.100.1").packed + struct.pack("!HH", port, 443)


def extension(kind: int, value: bytes) -> bytes:
    return struct.pack("!BH", kind, len(value)) + value


def read(data: bytes) -> ClientAddress | None:
    """The client in a header that is exactly `data`."""
    parser = ProxyHeaderParser()
    while parser.wanted:
        piece, data = data[: parser.wanted], data[parser.wanted :]
        assert piece, "the parser wants more than there is"
        parser.feed(piece)
    assert not data
    return parser.client()


@pytest.mark.parametrize(
    ("data", "client"),
    [
        (HAPROXY_V4, ClientAddress(address="127.0.0.1", port=34536, is_forwarded=True)),
        (HAPROXY_V6, ClientAddress(address="::1", port=42184, is_forwarded=True)),
        (HAPROXY_HEALTH_CHECK, None),
        (HAPROXY_OPTIONS, ClientAddress(address="127.0.0.1", port=59304, is_forwarded=True)),
    ],
)
def test_what_haproxy_sends(data: bytes, client: ClientAddress | None) -> None:
    assert read(data) == client


def test_the_signature_is_that_of_the_specification() -> None:
    assert bytes.fromhex("0D0A0D0A000D0A515549540A") == SIGNATURE


def test_a_client_with_tls_is_known_by_the_extension_for_it() -> None:
    other = extension(0x05, b"id")
    for value, is_secure in ((b"\x01" + bytes(4), True), (b"\x00" + bytes(4), False), (b"", False)):
        client = read(header(v4() + other + extension(0x20, value)))
        assert client == ClientAddress(address="192.0.2.7", port=40000, is_forwarded=True, is_secure=is_secure)


@pytest.mark.parametrize(
    "data",
    [
        header(b"", command=0, family=0),
        header(v4(), command=0),
        header(b"anything", command=0, family=0x55),
        header(b"", family=0),
        header(bytes(216), family=0x31),
    ],
    ids=["local", "local with addresses", "local of no family", "unspecified", "unix"],
)
def test_a_proxy_may_know_no_address(data: bytes) -> None:
    assert read(data) is None


def test_an_ipv4_client_on_an_ipv6_socket_is_an_ipv4_client() -> None:
    addresses = ip_address("::ffff:192.0.2.7").packed * 2 + struct.pack("!HH", 1, 2)
    client = read(header(addresses, family=0x21))
    assert client is not None
    assert client.address == "192.0.2.7"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 1 2\r\n", "version 1"),
        (b"PROX", "version 1"),
        (b"GET / HTTP/1.1\r\n", "does not begin with"),
        (b"\x16\x03\x01\x02\x00", "does not begin with"),
        (header(v4(), version=1), "version 1 with command 1"),
        (header(v4(), version=3), "version 3"),
        (header(v4(), command=2), "command 2"),
        (header(v4(), family=0x12), "0x12"),
        (header(v4(), family=0x41), "0x41"),
        (header(b"", length=MAX_LENGTH + 1), "longer than"),
        (header(v4()[:-1]), "shorter than its addresses"),
        (header(b"", family=0x21), "shorter than its addresses"),
        (header(v4() + b"\x20\x00"), "cut off"),
        (header(v4() + b"\x20\x00\x09abc"), "longer than the header"),
    ],
)
def test_anything_else_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ProxyHeaderError, match=reason):
        read(data)


def test_it_is_refused_at_the_first_wrong_byte() -> None:
    parser = ProxyHeaderParser()
    parser.feed(SIGNATURE[:3])
    with pytest.raises(ProxyHeaderError):
        parser.feed(b"x")


def test_the_longest_header_is_read() -> None:
    filler = MAX_LENGTH - len(v4()) - 3
    assert read(header(v4() + extension(0x04, bytes(filler)))) is not None


@given(
    source=st.ip_addresses(),
    port=st.integers(0, 65535),
    extensions=st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=60)), max_size=5),
    cuts=st.lists(st.integers(1, 9), min_size=1),
)
def test_however_it_is_cut_it_is_read_to_its_end_and_not_beyond(
    source: object, port: int, extensions: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    packed = ip_address(str(source)).packed
    rest = packed * 2 + struct.pack("!HH", port, 1) + b"".join(extension(*each) for each in extensions)
    data = header(rest, family=0x11 if len(packed) == 4 else 0x21) + b"what follows"
    parser, at, turn = ProxyHeaderParser(), 0, 0
    while parser.wanted:
        size = min(parser.wanted, cuts[turn % len(cuts)])
        parser.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    assert data[at:] == b"what follows"
    client = parser.client()
    assert client is not None
    assert client.port == port
    plain = ip_address(str(source))
    assert client.address == str(getattr(plain, "ipv4_mapped", None) or plain)


@given(st.binary(max_size=300))
def test_garbage_after_the_signature_is_read_or_refused(data: bytes) -> None:
    parser, left = ProxyHeaderParser(), SIGNATURE + data
    with contextlib.suppress(ProxyHeaderError):
        while parser.wanted and left:
            piece, left = left[: parser.wanted], left[parser.wanted :]
            parser.feed(piece)
        if not parser.wanted:
            parser.client()
    assert parser.wanted <= MAX_LENGTH

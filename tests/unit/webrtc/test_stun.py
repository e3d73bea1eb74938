"""The STUN codec against the vectors of RFC 5769, against aioice, and against hostile bytes."""

import random

import pytest
from aioice import stun as reference
from hypothesis import given
from hypothesis import strategies as st

from protocol.webrtc.stun import (
    BINDING,
    StunClass,
    StunError,
    StunMessage,
    build_request,
    build_response,
    build_unknown_attributes,
    parse,
)

PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"
TRANSACTION = bytes.fromhex("b7e7a701bc34d686fa87dfae")
# RFC 5769 sections 2.1 to 2.3
SAMPLE_REQUEST = bytes.fromhex(
    "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008"
    "932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf"
)
SAMPLE_RESPONSE_IPV4 = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96"
)
SAMPLE_RESPONSE_IPV6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179"
    "bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c"
)

ids = st.binary(min_size=12, max_size=12)
names = st.text(min_size=1, max_size=40)
keys = st.binary(min_size=1, max_size=40)
addresses = st.tuples(st.ip_addresses().map(str), st.integers(0, 0xFFFF))


def check(*, transaction_id: bytes = TRANSACTION, use_candidate: bool = True) -> bytes:
    return build_request(
        transaction_id=transaction_id,
        username="server:client",
        key=PASSWORD,
        priority=1,
        tie_breaker=2,
        use_candidate=use_candidate,
    )


def signed(message: reference.Message, key: bytes) -> bytes:
    message.add_message_integrity(key)
    return bytes(message)


class TestRfc5769:
    def test_request(self) -> None:
        message = parse(SAMPLE_REQUEST)
        assert (message.kind, message.method, message.transaction_id) == (StunClass.REQUEST, BINDING, TRANSACTION)
        assert (message.username, message.priority) == ("evtj:h6vY", 0x6E0001FF)
        assert (message.local_ufrag, message.ice_controlled) == ("evtj", 0x932FF9B151263B36)
        assert message.ice_controlling is None
        assert not message.use_candidate
        assert message.has_fingerprint
        assert message.verify(PASSWORD)
        assert not message.verify(PASSWORD + b"x")

    @pytest.mark.parametrize(
        ("sample", "host"),
        [
            (SAMPLE_RESPONSE_IPV4, "192.0.2.1"),
            (SAMPLE_RESPONSE_IPV6, "2001:db8:1234:5678:11:2233:4455:6677"),
        ],
    )
    def test_response(self, sample: bytes, host: str) -> None:
        message = parse(sample)
        assert message.kind is StunClass.RESPONSE
        assert message.xor_mapped_address == (host, 32853)
        assert message.verify(PASSWORD)


class TestAgainstAioice:
    @given(ids, names, keys, st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.booleans(), st.booleans())
    def test_our_request_is_understood(
        self, tid: bytes, name: str, key: bytes, priority: int, tie: int, use: bool, controlling: bool
    ) -> None:
        data = build_request(
            transaction_id=tid,
            username=name,
            key=key,
            priority=priority,
            tie_breaker=tie,
            use_candidate=use,
            controlling=controlling,
        )
        message = reference.parse_message(data)
        assert message.transaction_id == tid
        assert message.check_message_integrity(key)
        attributes = message.attributes
        assert (attributes["USERNAME"], attributes["PRIORITY"]) == (name, priority)
        assert attributes["ICE-CONTROLLING" if controlling else "ICE-CONTROLLED"] == tie
        assert ("USE-CANDIDATE" in attributes) is use

    @given(ids, names, keys, st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.booleans())
    def test_their_request_is_understood(
        self, tid: bytes, name: str, key: bytes, priority: int, tie: int, use: bool
    ) -> None:
        sent = reference.Message(reference.Method.BINDING, reference.Class.REQUEST, tid)
        sent.attributes.update({"USERNAME": name, "PRIORITY": priority, "ICE-CONTROLLING": tie})
        if use:
            sent.attributes["USE-CANDIDATE"] = None
        message = parse(signed(sent, key))
        assert (message.kind, message.method, message.transaction_id) == (StunClass.REQUEST, BINDING, tid)
        assert (message.username, message.priority, message.ice_controlling) == (name, priority, tie)
        assert message.use_candidate is use
        assert message.verify(key)
        assert not message.verify(key + b"x")

    @given(ids, addresses, keys)
    def test_our_response_is_understood(self, tid: bytes, address: tuple[str, int], key: bytes) -> None:
        data = build_response(parse(check(transaction_id=tid)), address, key)
        message = reference.parse_message(data)
        assert (message.message_class, message.transaction_id) == (reference.Class.RESPONSE, tid)
        assert message.attributes["XOR-MAPPED-ADDRESS"] == address
        assert message.check_message_integrity(key)

    @given(ids, addresses, keys)
    def test_their_response_is_understood(self, tid: bytes, address: tuple[str, int], key: bytes) -> None:
        sent = reference.Message(reference.Method.BINDING, reference.Class.RESPONSE, tid)
        sent.attributes["XOR-MAPPED-ADDRESS"] = address
        message = parse(signed(sent, key))
        assert message.kind is StunClass.RESPONSE
        assert message.xor_mapped_address == address
        assert message.verify(key)

    @given(ids, st.sampled_from(list(reference.Method)), st.sampled_from(list(reference.Class)))
    def test_type_bits(self, tid: bytes, method: reference.Method, kind: reference.Class) -> None:
        message = parse(bytes(reference.Message(method, kind, tid)))
        assert (message.method, message.kind.value) == (method.value, kind.value)

    def test_error_response(self) -> None:
        sent = reference.Message(reference.Method.BINDING, reference.Class.ERROR, TRANSACTION)
        sent.attributes["ERROR-CODE"] = (487, "Role Conflict")
        assert parse(signed(sent, PASSWORD)).error_code == 487

    def test_refusal_of_unknown_attributes_is_understood(self) -> None:
        request = with_attribute(b"\x00\x2a\x00\x01x\x00\x00\x00\x80\x2a\x00\x08tiebreak")
        assert request.unknown_required == (0x002A,)
        message = reference.parse_message(build_unknown_attributes(request, PASSWORD))
        assert message.error_code == 420
        assert message.check_message_integrity(PASSWORD)


def with_attribute(raw: bytes, *, kind: int = 1) -> StunMessage:
    """Parse a bare message around raw attributes."""
    head = kind.to_bytes(2, "big") + len(raw).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + TRANSACTION
    return parse(head + raw)


class TestHostileBytes:
    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        with pytest.raises(StunError):
            parse(data)  # No such string starts with the cookie and has the right length.

    @given(st.binary(max_size=120).map(lambda raw: raw[: len(raw) // 4 * 4]), st.integers(0, 0x3FFF))
    def test_any_attributes(self, raw: bytes, kind: int) -> None:
        try:
            message = with_attribute(raw, kind=kind)
        except StunError:
            return
        assert message.transaction_id == TRANSACTION
        assert not message.verify(PASSWORD)

    def test_every_flipped_bit_is_noticed(self) -> None:
        data = check()
        for bit in range(len(data) * 8):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            try:
                message = parse(bytes(flipped))
            except StunError:
                continue
            # FINGERPRINT became something unknown, or was swallowed together with the integrity.
            assert not message.has_fingerprint
            assert bit // 8 in (len(data) - 8, len(data) - 7) or not message.verify(PASSWORD)

    def test_every_truncation_is_noticed(self) -> None:
        data = check()
        for size in range(len(data)):
            with pytest.raises(StunError):
                parse(data[:size])

    def test_seeded_mutations(self) -> None:
        dice = random.Random(5769)
        samples = [SAMPLE_REQUEST, SAMPLE_RESPONSE_IPV4, SAMPLE_RESPONSE_IPV6, check()]
        for _ in range(5000):
            data = bytearray(dice.choice(samples))
            for _ in range(dice.randint(1, 4)):
                data[dice.randrange(20, len(data))] = dice.randrange(256)
            try:
                message = parse(bytes(data))
            except StunError:
                continue
            assert not message.has_fingerprint or bytes(data) in samples

    @pytest.mark.parametrize(
        "raw",
        [
            b"\x00\x24\x00\x02ab\x00\x00",  # PRIORITY of two bytes
            b"\x80\x29\x00\x04abcd",  # ICE-CONTROLLED of four
            b"\x00\x06\x00\x02\xff\xff\x00\x00",  # USERNAME that is not UTF-8
            b"\x00\x06\x00\x09abcd",  # longer than the message
            b"\x00\x08\x00\x04abcd",  # a short MESSAGE-INTEGRITY
            b"\x00\x20\x00\x08\x00\x02abcdef",  # IPv6 of four bytes
            b"\x00\x20\x00\x08\x00\x03abcdef",  # no such family
            b"\x00\x09\x00\x04\x00\x00\x02\x00",  # error 200
            b"\x80\x28\x00\x04abcd",  # a wrong FINGERPRINT
            b"\x80\x28\x00\x00",  # an empty one
        ],
    )
    def test_malformed_attribute(self, raw: bytes) -> None:
        with pytest.raises(StunError):
            with_attribute(raw)

    def test_what_follows_the_integrity_does_not_count(self) -> None:
        sealed = check(use_candidate=False)[:-8]  # without FINGERPRINT
        extended = sealed + b"\x00\x25\x00\x00"  # USE-CANDIDATE added on the way
        data = extended[:2] + (len(extended) - 20).to_bytes(2, "big") + extended[4:]
        message = parse(data)
        assert message.verify(PASSWORD)
        assert not message.use_candidate

    def test_nothing_may_follow_the_fingerprint(self) -> None:
        data = check() + b"\x80\x2a\x00\x00"
        with pytest.raises(StunError, match="not the last"):
            parse(data[:2] + (len(data) - 20).to_bytes(2, "big") + data[4:])

    def test_the_first_of_two_counts(self) -> None:
        assert with_attribute(b"\x00\x06\x00\x01a\x00\x00\x00\x00\x06\x00\x01b\x00\x00\x00").username == "a"

    def test_a_message_without_integrity_does_not_verify(self) -> None:
        assert not with_attribute(b"").verify(b"")


def test_repr_shows_no_integrity() -> None:
    data = check()
    assert repr(data[-28:-8])[2:-1] not in repr(parse(data))


def test_a_transaction_id_has_twelve_bytes() -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        check(transaction_id=b"short")

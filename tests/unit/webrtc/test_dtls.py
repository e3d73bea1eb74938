"""DTLS endpoints driven against each other in memory: handshake, loss, wrong peers, closing, and hostile bytes."""

import datetime
import random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from protocol.webrtc.dtls import MAX_DATAGRAM, DtlsContext, DtlsEndpoint, DtlsFailure, split_flight
from protocol.webrtc.dtls_state import DtlsState
from protocol.webrtc.sdp import Fingerprint
from protocol.webrtc.srtp import SrtpProfile, SrtpReceiver, SrtpTransmitter
from tests.support.webrtc.dtls_pairs import CLIENT, SERVER, carry, connect, exchange, keys_of, make_pair, states

GCM, CM = SrtpProfile.AEAD_AES_128_GCM, SrtpProfile.AES128_CM_SHA1_80


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, *, password: bytes | None = None) -> tuple[bytes, bytes]:
    """Give a self-signed certificate for `key`, and the key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    since, until = (datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in (2024, 2048))
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, since, until).sign(key, hashes.SHA256())
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    return certificate.public_bytes(serialization.Encoding.PEM), private


def halves(datagram: bytes) -> list[bytes]:
    """Cut the one handshake message of a datagram into two fragments (RFC 6347 section 4.2.3)."""
    kind, message = datagram[13:19], datagram[25:]
    middle = len(message) // 2
    pieces = []
    for number, start, end in ((0, 0, middle), (40, middle, len(message))):  # 1 and up are for the sender's next ones.
        fragment = kind + start.to_bytes(3, "big") + (end - start).to_bytes(3, "big") + message[start:end]
        pieces.append(datagram[:10] + bytes((number,)) + len(fragment).to_bytes(2, "big") + fragment)
    return pieces


class TestHandshake:
    def test_both_ends_get_keys_that_fit(self) -> None:
        server, client = map(keys_of, connect())
        assert server.profile is GCM
        assert (server.local_key, server.local_salt) == (client.remote_key, client.remote_salt)
        assert (server.remote_key, server.remote_salt) == (client.local_key, client.local_salt)
        assert server.local_key != server.remote_key
        packet = bytes.fromhex("806000010000000000000001") + bytes(20)
        for sender, receiver in ((server, client), (client, server)):
            assert SrtpReceiver(receiver).unprotect(SrtpTransmitter(sender).protect(packet)) == packet

    def test_states_on_the_way(self) -> None:
        server, client = make_pair()
        assert states(server, client) == (DtlsState.NEW, DtlsState.HANDSHAKING)
        assert server.take_datagrams() == []
        carry(client, server)
        assert states(server, client) == (DtlsState.HANDSHAKING, DtlsState.HANDSHAKING)
        assert server.keys is None
        exchange(server, client)
        assert states(server, client) == (DtlsState.UP, DtlsState.UP)
        assert (server.failure, server.detail) == (None, "")

    @pytest.mark.parametrize("order", [1, -1])
    def test_a_hello_in_two_datagrams(self, order: int) -> None:
        """A browser's is larger than a datagram, because of its post-quantum key share."""
        server, client = make_pair()
        (hello,) = client.take_datagrams()
        for piece in halves(hello)[::order]:
            assert states(server) != (DtlsState.UP,)
            server.feed(piece)
        exchange(server, client)
        assert states(server, client) == (DtlsState.UP, DtlsState.UP)

    def test_a_flight_larger_than_a_datagram(self) -> None:
        context = DtlsContext.create(b"".join(pem(rsa.generate_private_key(65537, 2048))))
        server, client = make_pair(server=context)
        carry(client, server)
        flight = server.take_datagrams()
        assert len(flight) > 1
        for datagram in flight:
            assert len(datagram) <= MAX_DATAGRAM
            client.feed(datagram)
        exchange(server, client)
        assert states(server, client) == (DtlsState.UP, DtlsState.UP)

    @pytest.mark.parametrize(("offered", "chosen"), [([GCM, CM], GCM), ([CM, GCM], GCM), ([CM], CM), ([GCM], GCM)])
    def test_the_servers_order_of_profiles_decides(self, offered: list[SrtpProfile], chosen: SrtpProfile) -> None:
        pair = connect(client=DtlsContext.create(profiles=offered))
        assert [keys_of(end).profile for end in pair] == [chosen, chosen]

    def test_a_peer_without_srtp(self) -> None:
        server, client = make_pair(client=DtlsContext.create(profiles=()))
        exchange(server, client)
        assert (server.state, server.failure, server.keys) == (DtlsState.FAILED, DtlsFailure.ERROR, None)

    def test_a_certificate_of_another_curve_is_named_with_its_remedy(self) -> None:
        peers = DtlsContext.create(b"".join(pem(ec.generate_private_key(ec.SECP224R1()))))
        server, theirs = make_pair(client=peers)
        exchange(server, theirs)
        theirs, client = make_pair(server=peers)
        exchange(theirs, client)
        for ours in (server, client):
            assert ours.failure is DtlsFailure.ERROR
            assert "secp224r1: FFmpeg with GnuTLS makes those" in ours.detail

    def test_a_peer_without_certificate(self) -> None:
        context = SSL.Context(SSL.DTLS_METHOD)
        context.set_verify(SSL.VERIFY_NONE, lambda *_: True)
        context.set_tlsext_use_srtp(b"SRTP_AEAD_AES_128_GCM")
        server, client = make_pair(client=DtlsContext(context, CLIENT.fingerprint))
        exchange(server, client)
        assert (server.state, server.failure, server.keys) == (DtlsState.FAILED, DtlsFailure.ERROR, None)
        assert "certificate" in server.detail
        assert client.state is DtlsState.FAILED

    def test_a_timer_runs_while_an_answer_is_due(self) -> None:
        server, client = make_pair()
        client.take_datagrams()
        timeout = client.next_timeout()
        assert timeout is not None
        assert 0 < timeout <= 1.5
        assert server.next_timeout() is None
        client.handle_timeout()
        assert client.take_datagrams() == []  # It was not due yet.

    def test_datagrams_in_any_order_and_more_than_once(self) -> None:
        dice = random.Random(6347)
        server, client = make_pair()
        for _ in range(20):
            for sender, receiver in ((client, server), (server, client)):
                datagrams = sender.take_datagrams() * 2
                dice.shuffle(datagrams)
                for datagram in datagrams:
                    receiver.feed(datagram)
        assert states(server, client) == (DtlsState.UP, DtlsState.UP)

    def test_no_timer_runs_when_up(self) -> None:
        server, client = connect()
        assert server.next_timeout() is None
        assert client.next_timeout() is None

    def test_application_data_is_ignored(self) -> None:
        server, client = connect()
        assert client._ssl is not None
        client._ssl.send(b"no data channels here" * 50)
        client.feed(b"\x16")  # collects what was sent
        exchange(server, client)
        assert server.state is DtlsState.UP


class TestFingerprint:
    def digest(self, algorithm: str) -> Fingerprint:
        digests = {"sha-1": "sha1", "sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512"}
        server, _ = connect()
        assert server._ssl is not None
        certificate = server._ssl.get_peer_certificate()
        assert certificate is not None
        return Fingerprint(algorithm=algorithm, value=certificate.digest(digests[algorithm]).decode())

    def outcome(self, *expected: Fingerprint) -> tuple[DtlsState, DtlsFailure | None]:
        server, client = make_pair(expected=expected)
        exchange(server, client)
        if server.state is DtlsState.FAILED:
            assert server.keys is None
            assert client.state is DtlsState.CLOSED  # told so, rather than left waiting
        return server.state, server.failure

    @pytest.mark.parametrize("algorithm", ["sha-256", "sha-384", "sha-512"])
    def test_algorithms(self, algorithm: str) -> None:
        assert self.outcome(self.digest(algorithm)) == (DtlsState.UP, None)

    def test_letter_case_does_not_matter(self) -> None:
        found = CLIENT.fingerprint
        shouted = Fingerprint(algorithm="SHA-256", value=found.value.lower())
        assert self.outcome(shouted) == (DtlsState.UP, None)

    def test_someone_else(self) -> None:
        assert self.outcome(SERVER.fingerprint) == (DtlsState.FAILED, DtlsFailure.FINGERPRINT)

    def test_sha_1_alone_is_not_enough(self) -> None:
        assert self.outcome(self.digest("sha-1")) == (DtlsState.FAILED, DtlsFailure.FINGERPRINT)

    def test_none_at_all(self) -> None:
        assert self.outcome() == (DtlsState.FAILED, DtlsFailure.FINGERPRINT)

    def test_one_of_several_certificates(self) -> None:
        assert self.outcome(SERVER.fingerprint, CLIENT.fingerprint) == (DtlsState.UP, None)

    def test_the_strongest_algorithm_decides(self) -> None:
        wrong = Fingerprint(algorithm="sha-512", value=":".join(["AA"] * 64))
        assert self.outcome(CLIENT.fingerprint, wrong) == (DtlsState.FAILED, DtlsFailure.FINGERPRINT)

    def test_the_digest_of_another_algorithm_does_not_fit(self) -> None:
        swapped = Fingerprint(algorithm="sha-384", value=CLIENT.fingerprint.value)
        assert self.outcome(swapped) == (DtlsState.FAILED, DtlsFailure.FINGERPRINT)

    def test_a_client_checks_the_server(self) -> None:
        server = DtlsEndpoint(SERVER, (CLIENT.fingerprint,))
        client = DtlsEndpoint(CLIENT, (CLIENT.fingerprint,), role="client")
        exchange(server, client)
        assert (client.state, client.failure) == (DtlsState.FAILED, DtlsFailure.FINGERPRINT)


class TestClosing:
    @pytest.mark.parametrize("first", ["server", "client"])
    def test_close_notify_reaches_the_other_end(self, first: str) -> None:
        server, client = connect()
        one, other = (server, client) if first == "server" else (client, server)
        one.close()
        one.close()
        assert one.state is DtlsState.CLOSED
        datagrams = one.take_datagrams()
        assert len(datagrams) == 1
        other.feed(datagrams[0])
        assert other.state is DtlsState.CLOSED
        assert (other.failure, one.failure) == (None, None)

    @pytest.mark.parametrize("flights", [0, 1], ids=["at first", "after a flight"])
    def test_close_notify_ends_a_handshake(self, flights: int) -> None:
        server, client = make_pair()
        for _ in range(flights):
            carry(client, server)
        server.feed(b"\x15\xfe\xfd" + bytes(7) + b"\x09" + b"\x00\x02" + b"\x01\x00")  # an alert: close_notify
        assert (server.state, server.failure) == (DtlsState.CLOSED, None)

    def test_a_fatal_alert_ends_a_connection(self) -> None:
        server, client = connect()
        assert client._ssl is not None
        assert client._ssl.renegotiate()
        with pytest.raises(SSL.WantReadError):
            client._ssl.do_handshake()
        client.feed(b"\0")  # noise: what is to be sent is collected
        exchange(server, client)
        assert (client.state, client.detail) == (DtlsState.FAILED, "no renegotiation")
        assert (server.state, server.failure, server.keys) == (DtlsState.FAILED, DtlsFailure.ERROR, None)

    def test_nothing_happens_after_the_end(self) -> None:
        server, client = connect()
        server.close()
        server.take_datagrams()
        server.feed(b"\x16" * 100)
        server.handle_timeout()
        assert server.next_timeout() is None
        assert server.take_datagrams() == []
        assert server._ssl is None
        assert client.state is DtlsState.UP

    def test_closing_before_and_during_the_handshake(self) -> None:
        server, client = make_pair()
        carry(client, server)
        server.close()
        client.close()
        assert states(server, client) == (DtlsState.CLOSED, DtlsState.CLOSED)
        fresh, _ = make_pair()
        fresh.close()
        assert fresh.state is DtlsState.CLOSED
        assert fresh.take_datagrams() == []

    def test_a_failure_stays_one(self) -> None:
        server, client = make_pair(expected=())
        exchange(server, client)
        server.close()
        assert server.state is DtlsState.FAILED


class TestHostileBytes:
    @given(st.lists(st.binary(max_size=300), max_size=5))
    def test_noise_before_the_handshake(self, noise: list[bytes]) -> None:
        server, _ = make_pair()
        for data in noise:
            server.feed(data)
        server.take_datagrams()
        assert server.state in (DtlsState.NEW, DtlsState.HANDSHAKING, DtlsState.FAILED)
        assert server.keys is None

    @given(st.lists(st.binary(max_size=100), max_size=5), st.sampled_from([20, 21, 22, 23]))
    def test_noise_with_a_record_header(self, bodies: list[bytes], kind: int) -> None:
        server, _ = make_pair()
        for body in bodies:
            server.feed(bytes((kind,)) + b"\xfe\xfd" + bytes(8) + len(body).to_bytes(2, "big") + body)
        server.close()

    def test_mutations_on_the_way(self) -> None:
        dice = random.Random(5764)
        ends = set()
        for _ in range(150):
            server, client = make_pair()

            def spoil(datagram: bytes, *, target: DtlsEndpoint = server) -> bool:
                if dice.random() < 0.5:
                    return True
                data = bytearray(datagram)
                for _ in range(dice.randint(1, 4)):
                    data[dice.randrange(len(data))] = dice.randrange(256)
                target.feed(bytes(data))
                return dice.random() < 0.8

            exchange(server, client, spoil)
            ends.add(server.state)
            server.handle_timeout()
            server.close()
            client.close()
        assert DtlsState.UP in ends

    def test_noise_does_not_end_a_connection(self) -> None:
        dice = random.Random(9147)
        server, client = connect()
        for _ in range(2000):
            server.feed(dice.randbytes(dice.randrange(1, 200)))
            kind = dice.choice((20, 21, 22, 23, 0x2C))
            body = dice.randbytes(dice.randrange(80))
            head = bytes((kind,)) + b"\xfe\xfd\x00" + bytes((dice.randrange(2),)) + dice.randbytes(6)
            server.feed(head + len(body).to_bytes(2, "big") + body)
        server.take_datagrams()
        assert states(server, client) == (DtlsState.UP, DtlsState.UP)
        client.close()
        exchange(server, client)
        assert states(server, client) == (DtlsState.CLOSED, DtlsState.CLOSED)


class TestSplitting:
    def record(self, size: int, kind: int = 22) -> bytes:
        return bytes((kind,)) + b"\xfe\xfd" + bytes(8) + (size - 13).to_bytes(2, "big") + bytes(size - 13)

    @given(st.lists(st.integers(13, 700), max_size=20), st.integers(13, 1500))
    def test_pieces_are_whole_records(self, sizes: list[int], limit: int) -> None:
        flight = b"".join(map(self.record, sizes))
        pieces = split_flight(flight, limit)
        assert b"".join(pieces) == flight
        borders = {sum(sizes[:index]) for index in range(len(sizes) + 1)}
        position = 0
        for index, piece in enumerate(pieces):
            position += len(piece)
            assert position in borders
            assert len(piece) <= max(limit, *sizes)
            if index + 1 < len(pieces):
                first = int.from_bytes(pieces[index + 1][11:13], "big") + 13
                assert len(piece) + first > limit  # It was filled as far as it goes.

    def test_a_larger_record_stands_alone(self) -> None:
        small, large = self.record(100), self.record(2000)
        assert split_flight(small + large + small) == [small, large, small]

    @pytest.mark.parametrize(
        "record",
        [
            b"\x2e" + b"\x01\x02" + b"\x00\x64" + bytes(100),  # 16 bits of sequence number, with length
            b"\x26" + b"\x01" + b"\x00\x64" + bytes(100),  # 8 bits
        ],
    )
    def test_unified_headers(self, record: bytes) -> None:
        assert split_flight(record * 3, limit=len(record) + 10) == [record] * 3

    def test_a_unified_header_without_length_goes_to_the_end(self) -> None:
        record, last = self.record(100), b"\x2a" + bytes(300)
        assert split_flight(record + last, limit=200) == [record, last]

    @given(st.binary(max_size=200))
    def test_any_bytes(self, data: bytes) -> None:
        assert b"".join(split_flight(data, 50)) == data


class TestContext:
    def test_a_given_certificate(self) -> None:
        certificate, private = pem(ec.generate_private_key(ec.SECP256R1()))
        context = DtlsContext.create(private + certificate)
        loaded = x509.load_pem_x509_certificate(certificate)
        assert context.fingerprint.algorithm == "sha-256"
        assert bytes.fromhex(context.fingerprint.value.replace(":", "")) == loaded.fingerprint(hashes.SHA256())
        connect(server=context)

    def test_what_is_no_pair(self) -> None:
        key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        certificate, private = pem(key)
        for text, reason in (
            (b"nonsense", "PEM|pem"),
            (certificate, "PEM|key"),
            (certificate + pem(other)[1], "OpenSSL refuses.*mismatch"),
            (certificate + pem(key, password=b"secret")[1], "encrypted"),
        ):
            with pytest.raises(ValueError, match=reason):
                DtlsContext.create(text)
        assert DtlsContext.create(certificate + private).fingerprint.value

    def test_a_generated_certificate_is_ecdsa_p_256_and_always_another(self) -> None:
        assert SERVER.fingerprint != CLIENT.fingerprint
        server, _ = connect()
        assert server._ssl is not None
        certificate = server._ssl.get_peer_certificate()
        assert certificate is not None
        key = certificate.to_cryptography().public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert isinstance(key.curve, ec.SECP256R1)

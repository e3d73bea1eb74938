"""DTLS-SRTP over memory (RFC 5764, RFC 6347, RFC 8827 section 6.5), on pyOpenSSL.

`dtls_state.py` has the state table. Datagrams go in through `feed` and come out of `take_datagrams`, even long after
the handshake: a peer that lost the last flight repeats its own, and OpenSSL then repeats ours. OpenSSL reads its own
clock, so timeouts are in seconds from now. No incoming data makes a call raise; a fault leads to FAILED, with its kind
in `failure`.
"""

import contextlib
import datetime
import enum
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from OpenSSL import SSL

from protocol.webrtc.dtls_state import TRANSITIONS, DtlsEvent, DtlsState
from protocol.webrtc.sdp import Fingerprint
from protocol.webrtc.srtp import SrtpKeys, SrtpProfile

MAX_DATAGRAM = 1200
"""The most bytes in an outgoing datagram, so that it passes any path without IP fragmentation."""

_DTLS_1_2 = 0xFEFD
_PROFILES = (SrtpProfile.AEAD_AES_128_GCM, SrtpProfile.AES128_CM_SHA1_80)
_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA"
)
_EXPORTER_LABEL = b"EXTRACTOR-dtls_srtp"
_DIGESTS = {"sha-512": "sha512", "sha-384": "sha384", "sha-256": "sha256"}
"""Fingerprint algorithms, strongest first. SHA-1 is excluded: every WebRTC endpoint has SHA-256 (RFC 8827)."""
_VALID_FROM = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
_VALID_TO = datetime.datetime(2049, 12, 31, tzinfo=datetime.UTC)
_RECORD_HEADER = 13
_READ_SIZE = 16_384


class DtlsFailure(enum.Enum):
    """What went wrong: the peer's certificate is not the one in the offer (FINGERPRINT), or anything else (ERROR)."""

    ERROR = "error"
    FINGERPRINT = "fingerprint"


_CURVE_HINT = (
    "; its certificate may be of a curve that is not taken, such as secp224r1: FFmpeg with GnuTLS makes those"
    " unless it is given one of P-256 (cert_file, key_file)"
)
_HINTS = {
    "wrong curve": _CURVE_HINT,
    "tls alert handshake failure": _CURVE_HINT,
}
"""What usually is behind an error of OpenSSL."""


class DtlsContext:
    """Certificate and settings that all endpoints share; created once, because generating a key takes a while."""

    def __init__(self, context: SSL.Context, fingerprint: Fingerprint) -> None:
        self.ssl_context = context
        self.fingerprint = fingerprint
        """The SHA-256 fingerprint of our certificate, for the SDP."""

    @classmethod
    def create(cls, pem: bytes | None = None, *, profiles: Sequence[SrtpProfile] = _PROFILES) -> "DtlsContext":
        """Create a context from the certificate and unencrypted key (ECDSA or RSA) in `pem`, or from a new pair.

        `profiles`: SRTP profiles in order of preference; a server's own order wins. Raises ValueError when `pem` holds
        no such pair.
        """
        key, certificate = _load(pem) if pem is not None else _generate()
        context = _new_context(key, certificate)
        if profiles:
            context.set_tlsext_use_srtp(":".join(profile.value for profile in profiles).encode())
        return cls(context, Fingerprint(algorithm="sha-256", value=_fingerprint(certificate)))


def _new_context(key: "_Key", certificate: x509.Certificate) -> SSL.Context:
    context: Any = SSL.Context(SSL.DTLS_METHOD)  # Any: the published stubs know less of it than pyOpenSSL has.
    context.set_min_proto_version(_DTLS_1_2)
    # No MTU query: a memory BIO has no path to query. No tickets, no sessions: a WebRTC peer never resumes.
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_QUERY_MTU | SSL.OP_NO_COMPRESSION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    # Certificates are self-signed: the fingerprint identifies the peer, and is checked after the handshake.
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    context.set_cipher_list(_CIPHERS.encode())
    try:
        context.use_certificate(certificate)
        context.use_privatekey(key)
        context.check_privatekey()
    except SSL.Error as error:
        raise ValueError(f"OpenSSL refuses the certificate and its key: {_reason(error)}") from None
    checked: SSL.Context = context
    return checked


_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def _load(pem: bytes) -> tuple[_Key, x509.Certificate]:
    certificate = x509.load_pem_x509_certificate(pem)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("the private key is encrypted") from None
    if isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        return key, certificate
    raise ValueError("the private key is neither ECDSA nor RSA")


def _generate() -> tuple[_Key, x509.Certificate]:
    """Generate an ECDSA P-256 key and a self-signed certificate; WebRTC ignores its dates."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "wcsd")])
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=_VALID_FROM,
        not_valid_after=_VALID_TO,
    )
    return key, builder.sign(key, hashes.SHA256())


def _fingerprint(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


class DtlsEndpoint:
    """One end of one connection. A client's first flight is ready at once.

    fingerprints: those of the peer's certificate in the offer. Of several, those of the strongest algorithm count, and
    one of them must match (RFC 8122 section 5). If none has an accepted algorithm, the handshake will fail.
    """

    def __init__(
        self,
        context: DtlsContext,
        fingerprints: Sequence[Fingerprint],
        role: Literal["server", "client"] = "server",
    ) -> None:
        self.state = TRANSITIONS.initial
        self.failure: DtlsFailure | None = None
        """Set with FAILED."""
        self.detail = ""
        """Why it failed, for a log."""
        self.keys: SrtpKeys | None = None
        """Set with UP; kept until the end."""
        self.is_client = role == "client"
        self._fingerprints = tuple(fingerprints)
        self._outgoing: list[bytes] = []
        self._ssl: SSL.Connection | None = SSL.Connection(context.ssl_context, None)
        self._ssl.set_ciphertext_mtu(MAX_DATAGRAM)
        if self.is_client:
            self._ssl.set_connect_state()
            self._enter(DtlsEvent.START)
            self._advance(self._ssl)
        else:
            self._ssl.set_accept_state()

    def feed(self, datagram: bytes) -> None:
        """Process a datagram from the peer; check `state` and `take_datagrams` afterwards. Ignored after the end."""
        if self._ssl is None or not datagram:
            return
        if self.state is DtlsState.NEW:
            self._enter(DtlsEvent.START)
        self._ssl.bio_write(datagram)
        self._advance(self._ssl)

    def take_datagrams(self) -> list[bytes]:
        """Return the datagrams to send now, even after FAILED and CLOSED."""
        outgoing, self._outgoing = self._outgoing, []
        return outgoing

    def next_timeout(self) -> float | None:
        """Seconds from now until `handle_timeout` is due; None when no timer runs."""
        return None if self._ssl is None else self._ssl.DTLSv1_get_timeout()

    def handle_timeout(self) -> None:
        """Repeat the last flight if it is due; FAILED after a dozen repetitions."""
        if self._ssl is None:
            return
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(DtlsFailure.ERROR, _reason(error))
        else:
            self._collect(self._ssl)

    def close(self) -> None:
        """Send close_notify if the connection is up, and end. May be called at any time, more than once."""
        if self._ssl is not None:
            self._end(DtlsEvent.CLOSE)

    def _enter(self, event: DtlsEvent) -> None:
        self.state = TRANSITIONS.after(self.state, event)

    def _advance(self, ssl: SSL.Connection) -> None:
        """Let OpenSSL process its input."""
        try:
            if self.state is DtlsState.HANDSHAKING:
                ssl.do_handshake()
                self._complete(ssl)
            while self.state is DtlsState.UP:
                ssl.recv(_READ_SIZE)  # Application data has no meaning here; reading drives repeats and close_notify.
        except SSL.WantReadError:
            self._collect(ssl)
        except SSL.ZeroReturnError:
            self._end(DtlsEvent.CLOSE_NOTIFY)
        except SSL.Error as error:
            self._fail(DtlsFailure.ERROR, _reason(error))

    def _complete(self, ssl: SSL.Connection) -> None:
        """Decide whether to accept the handshake that OpenSSL has finished."""
        if not self._is_expected_peer(ssl):
            self._fail(DtlsFailure.FINGERPRINT, "the certificate does not fit the fingerprint in the offer")
            return
        name = ssl.get_selected_srtp_profile().decode()
        if not name:
            self._fail(DtlsFailure.ERROR, "the peer does not do SRTP")
            return
        self.keys = self._export_keys(ssl, SrtpProfile(name))
        self._enter(DtlsEvent.VERIFIED)

    def _is_expected_peer(self, ssl: SSL.Connection) -> bool:
        # OpenSSL computes the digest: cryptography's parser is stricter and would raise on some peers' certificates.
        certificate = ssl.get_peer_certificate()
        for algorithm, digest in _DIGESTS.items():
            wanted = [entry.value.upper() for entry in self._fingerprints if entry.algorithm.lower() == algorithm]
            if wanted:
                return certificate is not None and certificate.digest(digest).decode().upper() in wanted
        return False

    def _export_keys(self, ssl: SSL.Connection, profile: SrtpProfile) -> SrtpKeys:
        """Split the exported material into client key, server key, client salt, server salt (RFC 5764 section 4.2)."""
        key, salt = profile.key_size, profile.salt_size
        material = bytes(ssl.export_keying_material(_EXPORTER_LABEL, 2 * (key + salt)))
        client = material[:key], material[2 * key : 2 * key + salt]
        server = material[key : 2 * key], material[2 * key + salt :]
        local, remote = (client, server) if self.is_client else (server, client)
        return SrtpKeys(
            profile=profile, local_key=local[0], local_salt=local[1], remote_key=remote[0], remote_salt=remote[1]
        )

    def _fail(self, failure: DtlsFailure, detail: str) -> None:
        self.failure = failure
        self.detail = detail
        self.keys = None
        self._end(DtlsEvent.FAULT)

    def _end(self, event: DtlsEvent) -> None:
        """Shut down as far as OpenSSL allows, keep what is left to send, and free the connection's 90 kB."""
        self._enter(event)
        ssl, self._ssl = self._ssl, None
        if ssl is None:
            return
        # OpenSSL refuses in the middle of a handshake, when there is nothing to close, and after a fatal alert.
        with contextlib.suppress(SSL.Error):
            ssl.shutdown()
        self._collect(ssl)

    def _collect(self, ssl: SSL.Connection) -> None:
        flight = bytearray()
        try:
            while True:
                flight += ssl.bio_read(_READ_SIZE)
        except SSL.WantReadError:
            self._outgoing += split_flight(bytes(flight))


def _reason(error: SSL.Error) -> str:
    """OpenSSL's text for the first error in its queue."""
    queue = error.args[0] if error.args else None
    if isinstance(queue, list) and queue:
        reason = str(queue[0][-1])
        return reason + _HINTS.get(reason, "")
    return str(error) or type(error).__name__


def split_flight(flight: bytes, limit: int = MAX_DATAGRAM) -> list[bytes]:
    """Split a flight, which a memory BIO joins together, at record boundaries into datagrams of at most `limit` bytes.

    A record that is larger than that gets its own datagram.
    """
    datagrams: list[bytes] = []
    current = 0
    for record in _records(flight):
        if datagrams and current + len(record) <= limit:
            datagrams[-1] += record
            current += len(record)
        else:
            datagrams.append(record)
            current = len(record)
    return datagrams


def _records(flight: bytes) -> Iterator[bytes]:
    position = 0
    while position < len(flight):
        size = _record_size(flight, position)
        yield flight[position : position + size]
        position += size


def _record_size(flight: bytes, position: int) -> int:
    """Length of the record at `position`; up to the end of the flight when the record has no length."""
    rest = len(flight) - position
    first = flight[position]
    if first & 0xE0 != 0x20:
        size = _RECORD_HEADER + int.from_bytes(flight[position + 11 : position + 13], "big")
    elif first & 0x04:
        # DTLS 1.3 unified header: 8 or 16 bits of sequence number, then the length (RFC 9147 section 4).
        header = 5 if first & 0x08 else 4
        size = header + int.from_bytes(flight[position + header - 2 : position + header], "big")
    else:
        size = rest
    return min(size, rest)

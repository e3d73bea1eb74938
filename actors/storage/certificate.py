"""Keys that the server makes for itself: the certificate that wss and https use until the operator configures another,
and the host key of SSH."""

from datetime import datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE = timedelta(days=3650)
_CLOCK_SKEW = timedelta(days=1)
_LONGEST_COMMON_NAME = 64


def self_signed(host: str, now: datetime) -> tuple[bytes, bytes]:
    """A new ECDSA P-256 certificate for `host`, localhost and the loopback addresses, and its key, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:_LONGEST_COMMON_NAME] or "localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), _private(key)


def new_ssh_key() -> bytes:
    """A new Ed25519 key in OpenSSH's format."""
    return ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def _names(host: str) -> list[x509.GeneralName]:
    hosts = dict.fromkeys((host, "localhost") if host.isascii() and host else ("localhost",))
    return [
        *map(x509.DNSName, hosts),
        *(x509.IPAddress(ip_address(address)) for address in ("127.0.0.1", "::1")),
    ]


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

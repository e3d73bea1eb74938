"""FFmpeg publishes by WHIP, by its own muxer: it offers `setup:passive`, so the server is the DTLS client."""

import datetime
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.servers.server_process import ROOT, ServerProcess, running_server
from tests.support.session.wcs_client import PATIENCE


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@contextmanager
def ffmpeg(server: ServerProcess, *certificate: Path) -> Iterator[subprocess.Popen[bytes]]:
    """FFmpeg as publisher of `film`."""
    command = [sys.executable, "-m", "tests.support.web.ffmpeg_whip", server.http_url("/whip/film"), "token"]
    arguments = [*command, *map(str, certificate)]
    with subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def test_it_publishes_h264_and_opus_and_ends_with_a_delete(server: ServerProcess, tmp_path: Path) -> None:
    with ffmpeg(server, *p256(tmp_path)) as publisher:
        server.wait_until(lambda: bool(server.streams(status="PUBLISHING")), what="it publishes")
        (stream,) = server.streams()
        assert (stream["videoCodec"], stream["audioCodec"]) == ("H264", "OPUS")
        assert "a=setup:passive" in stream["sdp"]
        _, errors = publisher.communicate(timeout=PATIENCE)
        assert publisher.returncode == 0, errors
    server.wait_until(lambda: "status=UNPUBLISHED" in server.log(), what="its end is logged")
    assert server.streams() == []


def test_its_own_certificate_is_refused_and_the_log_says_what_to_do(server: ServerProcess) -> None:
    with ffmpeg(server):
        server.wait_until(lambda: "secp224r1: FFmpeg with GnuTLS makes those" in server.log(), what="the hint")


def p256(folder: Path) -> tuple[Path, Path]:
    """The files of a key and a certificate for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "whip")])
    since = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    until = datetime.datetime(2049, 12, 31, tzinfo=datetime.UTC)
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, since, until).sign(key, hashes.SHA256())
    paths = folder / "key.pem", folder / "cert.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    paths[0].write_bytes(private)
    paths[1].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return paths

"""Certificates that change while the server runs."""

import logging
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from actors.net.certificate import ServerCertificate
from actors.net.tcp_listeners import ListenerError
from tests.support.media.steady_media import steady_media
from tests.support.servers.certificates import der_of, new_pair, shown
from tests.support.servers.full_server import FullServer, full_server
from tests.support.servers.server_process import running_server
from tests.support.session.wcs_client import wcs_client


async def shown_by(server: FullServer, listener: str) -> bytes:
    (address,) = server.addresses[listener]
    return await trio.to_thread.run_sync(shown, "127.0.0.1", address.port)


async def test_a_renewed_pair_is_shown_from_the_next_handshake_on_and_no_packet_is_lost(tmp_path: Path) -> None:
    cert, key = new_pair(tmp_path)
    async with full_server(tmp_path, wss_cert=cert, wss_key=key) as server:
        certificate = server.server.certificate
        async with wcs_client(server.url("wss")) as client:
            publication = await client.publish("news")
            playback = await client.play("news")
            async with steady_media(publication, playback) as media:
                before = der_of(cert)
                new_pair(tmp_path)
                assert before != der_of(cert)
                certificate.look()
                for listener in ("wss", "https"):
                    assert await shown_by(server, listener) == der_of(cert)
                async with wcs_client(server.url("wss")) as other:
                    await other.play("news")
                    await media.so_many_more()
        assert int((await server.statistics())["certificate_days_left"]) == certificate.days_left > 0


async def test_a_pair_that_does_not_fit_leaves_the_old_one_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = new_pair(tmp_path)
    async with full_server(tmp_path, wss_cert=cert, wss_key=key) as server:
        before = der_of(cert)
        other = tmp_path / "other"
        other.mkdir()
        new_pair(other)
        shutil.copy(other / "cert.pem", cert)  # as in the middle of a renewal
        for _ in range(3):
            server.server.certificate.look()
        (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert "the old one stays" in line.getMessage()
        for listener in ("wss", "https"):
            assert await shown_by(server, listener) == before
        shutil.copy(other / "key.pem", key)
        server.server.certificate.look()
        assert await shown_by(server, "wss") == der_of(other / "cert.pem")


def test_an_encrypted_key_is_said_to_be_one(tmp_path: Path) -> None:
    cert, key = new_pair(tmp_path)
    plain = load_pem_private_key(key.read_bytes(), None)
    encrypted = plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    key.write_bytes(encrypted)
    with pytest.raises(ListenerError, match=rf"wss.key={key}: is encrypted; decrypt it"):
        ServerCertificate(cert, key)
    key.unlink()
    with pytest.raises(ListenerError, match=str(key)):
        ServerCertificate(cert, key)


@pytest.mark.parametrize(
    ("left", "level", "event"),
    [(-1, logging.ERROR, "has expired"), (5, logging.WARNING, "expires soon"), (90, logging.INFO, "certificate")],
)
def test_the_log_says_how_long_it_is_valid(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, left: int, level: int, event: str
) -> None:
    cert, key = new_pair(tmp_path)
    end = x509.load_pem_x509_certificate(cert.read_bytes()).not_valid_after_utc
    new_pair(tmp_path, age=end - datetime.now(UTC) - timedelta(days=left, hours=1))
    certificate = ServerCertificate(cert, key)
    assert certificate.days_left == left
    caplog.set_level(logging.INFO)
    certificate.tell()
    (line,) = caplog.records
    assert (line.levelno, event in line.getMessage()) == (level, True)
    certificate.look()
    assert len(caplog.records) == 1, "once a day"


def test_a_reload_takes_another_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    config = tmp_path / "wcsd.properties"
    for folder in (one, two):
        folder.mkdir()
        new_pair(folder)

    def name(folder: Path, key_of: Path) -> None:
        config.write_text(f"ip=127.0.0.1\nwss.cert={folder}/cert.pem\nwss.key={key_of}/key.pem\n")

    name(one, one)
    with running_server(tmp_path, config=config) as server:
        (address,) = server.addresses["wss"]
        name(two, one)
        answer = server.post("/admin/reload", {})
        assert (answer.status_code, "is not the key of" in answer.json()["reason"]) == (409, True)
        assert shown("127.0.0.1", address.port) == der_of(one / "cert.pem")
        name(two, two)
        assert server.post("/admin/reload", {}).status_code == 200
        assert shown("127.0.0.1", address.port) == der_of(two / "cert.pem")

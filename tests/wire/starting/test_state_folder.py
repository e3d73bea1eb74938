"""What a server keeps: lock, node id, certificate, whole files."""

import os
import re
import resource
import ssl
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from actors.storage import state_folder
from actors.storage.atomic_write import write_durably
from actors.storage.certificate import self_signed
from actors.storage.state_folder import StateFolder, StateFolderError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "state"


def test_the_folder_is_made_for_its_owner_only(folder: Path) -> None:
    with StateFolder(folder):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_two_servers_cannot_share_a_folder(folder: Path) -> None:
    with StateFolder(folder):
        with pytest.raises(StateFolderError, match=rf"another wcsd uses this state folder \(process {os.getpid()}\)"):
            StateFolder(folder).__enter__()


def test_the_lock_ends_with_the_server(folder: Path) -> None:
    with StateFolder(folder):
        pass
    with StateFolder(folder):
        pass


def test_the_lock_of_a_killed_server_is_gone(folder: Path) -> None:
    script = (
        "import os, pathlib, sys; from actors.storage.state_folder import StateFolder\n"
        "StateFolder(pathlib.Path(sys.argv[1])).__enter__(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(folder)]).returncode == -9
    with StateFolder(folder):
        assert (folder / "lock").read_text() == f"{os.getpid()}\n"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StateFolderError, match="cannot be the state folder: "):
        StateFolder(tmp_path / "file" / "state").__enter__()


def test_the_node_id_stays(folder: Path) -> None:
    with StateFolder(folder) as state:
        first = state.node_id()
    with StateFolder(folder) as state:
        assert state.node_id() == first
    assert re.fullmatch("[A-Za-z0-9]{32}", first)


@pytest.mark.parametrize("text", ["", "short", "!" * 32, "ü" * 32])
def test_a_damaged_node_id_is_told_and_kept(folder: Path, text: str) -> None:
    with StateFolder(folder) as state:
        (folder / "node-id").write_text(text)
        with pytest.raises(StateFolderError, match="not a node id"):
            state.node_id()
    assert (folder / "node-id").read_text() == text


def test_the_certificate_is_made_once_and_serves_tls(folder: Path) -> None:
    with StateFolder(folder) as state:
        certificate, key = state.certificate()
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
        before = certificate.read_bytes()
        assert state.certificate() == (certificate, key)
        assert certificate.read_bytes() == before
        assert key.stat().st_mode & 0o777 == 0o600


def test_a_certificate_that_cannot_be_read_now_is_not_called_broken(folder: Path) -> None:
    with StateFolder(folder) as state:
        certificate, _ = state.certificate()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
        try:
            with pytest.raises(StateFolderError, match=r"tls: cannot be read: Too many open files \(raise LimitNOFILE"):
                state.certificate()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert state.certificate()[0] == certificate


def test_a_certificate_that_was_interrupted_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with StateFolder(folder) as state:
        with monkeypatch.context() as patch:
            patch.setattr(state_folder, "write_durably", _full_disk)
            with pytest.raises(
                StateFolderError,
                match=r"tls: cannot be made: No space .* \(free .* --state\)",
            ):
                state.certificate()
        certificate, key = state.certificate()
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)


def test_a_certificate_names_the_machine_and_loopback() -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    certificate = x509.load_pem_x509_certificate(self_signed("media1", now)[0])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["media1", "localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert certificate.not_valid_before_utc < now < certificate.not_valid_after_utc


@pytest.mark.parametrize("host", ["", "x" * 200, "größe", "localhost"])
def test_any_host_name_gets_a_certificate(host: str) -> None:
    assert self_signed(host, datetime(2026, 1, 2, tzinfo=UTC))[0].startswith(b"-----BEGIN CERTIFICATE")


def test_a_file_is_replaced_as_a_whole_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_durably(path, b"long content")
    write_durably(path, b"short")
    assert path.read_bytes() == b"short"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_does_not_follow_a_link_that_lies_in_wait(tmp_path: Path) -> None:
    (tmp_path / "file.new").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        write_durably(tmp_path / "file", b"content")
    assert not (tmp_path / "victim").exists()


def _full_disk(path: Path, content: bytes) -> None:
    raise OSError(28, "No space left on device")

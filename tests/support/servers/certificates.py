"""Certificates of a server: made anew, and as clients are shown them."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from actors.storage.certificate import self_signed


def new_pair(folder: Path, *, age: timedelta = timedelta()) -> tuple[Path, Path]:
    """A fresh certificate in two files, in place of the one that was there."""
    files = folder / "cert.pem", folder / "key.pem"
    for file, content in zip(files, self_signed("localhost", datetime.now(UTC) - age), strict=True):
        unfinished = file.with_suffix(".new")
        unfinished.write_bytes(content)
        unfinished.rename(file)
    return files


def der_of(file: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(file.read_text())


def shown(host: str, port: int) -> bytes:
    """The certificate that a new client gets."""
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host, port), timeout=20))

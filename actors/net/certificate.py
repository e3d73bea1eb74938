"""The certificate of wss and https: loaded into living TLS contexts, again whenever its files change.

A connection that exists keeps the certificate of its handshake. A pair of files that cannot be used changes nothing.
"""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import trio
from cryptography import x509

from actors.net.tcp_listeners import ListenerError, server_tls
from actors.runtime.logs import get_logger

log = get_logger("tls")

LOOK_INTERVAL = 60.0
"""Seconds between two looks at the files."""
SOON = 14
"""Days before its end at which a certificate is warned of, once a day."""
_DAY = 86_400.0
_Marks = tuple[tuple[int, int, int] | None, ...]


class ServerCertificate:
    """The certificate in use. The constructor raises ListenerError if the files cannot be used."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._contexts: list[ssl.SSLContext] = []
        self._told_on: object = None
        self._load(certificate, key)

    def context(self, *, protocols: Sequence[str], client_ca: Path | None = None) -> ssl.SSLContext:
        """TLS with this certificate, and with those that follow it. See `server_tls`."""
        context = server_tls(self._certificate, self._key, protocols=protocols, client_ca=client_ca)
        self._contexts.append(context)
        return context

    def use(self, certificate: Path, key: Path) -> None:
        """Use these files from the next handshake on, if they have changed. ListenerError: the old ones stay."""
        if (certificate, key) != (self._certificate, self._key) or _marks(certificate, key) != self._seen:
            self._load(certificate, key)
            self.tell()

    @property
    def expires(self) -> float:
        """When it expires, in seconds since the epoch."""
        return self._expires.timestamp()

    @property
    def days_left(self) -> int:
        """Whole days until it expires, negative if it has."""
        return int((self._expires - datetime.now(UTC)).total_seconds() // _DAY)

    async def run(self) -> None:
        """Look at the files each minute, and warn each day of an end that is near; until cancelled."""
        self.tell()
        while True:
            await trio.sleep(LOOK_INTERVAL)
            self.look()

    def look(self) -> None:
        """Load the files if they have changed."""
        try:
            self.use(self._certificate, self._key)
        except ListenerError as error:
            self._seen = _marks(self._certificate, self._key)  # say it once for each change
            log.error("the certificate has changed and cannot be used; the old one stays", cause=str(error))
        if datetime.now(UTC).date() != self._told_on and self.days_left < SOON:
            self.tell()

    def tell(self) -> None:
        """Write into the log which certificate is used and how long."""
        self._told_on = datetime.now(UTC).date()
        days = self.days_left
        if days < 0:
            log.error("the certificate has expired: browsers refuse it", file=self._certificate, expired=self._expires)
        elif days < SOON:
            log.warning("the certificate expires soon", file=self._certificate, days_left=days)
        else:
            log.info("certificate", file=self._certificate, days_left=days)

    def _load(self, certificate: Path, key: Path) -> None:
        seen = _marks(certificate, key)
        server_tls(certificate, key, protocols=())  # on trial: living contexts must not get half of a pair
        self._expires = _expiry(certificate)
        for context in self._contexts:
            context.load_cert_chain(certificate, key, password="")
        self._certificate, self._key, self._seen = certificate, key, seen


def _marks(*files: Path) -> _Marks:
    """What tells whether files have changed."""
    return tuple(map(_mark, files))


def _mark(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _expiry(certificate: Path) -> datetime:
    try:
        return x509.load_pem_x509_certificates(certificate.read_bytes())[0].not_valid_after_utc
    except (OSError, ValueError) as error:
        raise ListenerError(f"wss.cert={certificate}: cannot be read: {error}") from error

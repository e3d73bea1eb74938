"""What would prevent the start although each setting is valid: files, certificates, addresses, the state folder.

`--check-config` and the start itself both use these checks, so one finds what the other would. Nothing is changed: a
server may be running with the same settings. If none is, the check also looks for ports that other programs have.
"""

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from actors.net.network_interfaces import machine_addresses
from actors.settings.loose_ends import LooseEnds
from actors.storage.account_store import read_account_file, utc_day
from actors.storage.app_store import read_app_file
from actors.storage.source_store import open_source_store
from actors.storage.state_folder import StateFolder, StateFolderError
from actors.storage.table_store import TableStoreError
from config.apps import default_table
from config.listeners import listeners_of
from config.loading import LoadedSettings
from config.media_addresses import media_addresses, paired
from config.rest_auth import exposure_faults, exposure_warnings
from config.settings import TABLE, RecordPolicy, RecordsAccess, Settings
from config.tables.accounts_file import AccountFileError
from config.tables.apps_file import AppFileError
from config.tables.sources_file import SourceFileError
from protocol.access.bans_file import BansFileError, read_bans
from protocol.stream.record_names import STOCK_HOOK_SCRIPT

if TYPE_CHECKING:
    from cryptography import x509


class StartChecks:
    """Lines for the operator: what prevents the start, and what would cause problems later."""

    def __init__(self, loaded: LoadedSettings, state: Path) -> None:
        self._loaded = loaded
        self._settings: Settings = loaded.settings
        self.faults: list[str] = []
        self.warnings: list[str] = []
        self._check_certificate()
        for key, known in TABLE.items():
            if key.endswith(("ca_file", "client_ca")):
                self._check_authorities(key, getattr(self._settings, known.attribute))
        self._check_hook_script(self._settings.on_record_hook_script)
        self._check_records(self._settings)
        self._check_listening_addresses()
        self._check_media_addresses()
        self._state = folder = StateFolder(state)
        self._check_exposure(folder)
        self.faults += _faults_of_state(folder, needs_certificate=self._settings.wss_cert is None)
        if not self.faults:
            self.warnings += LooseEnds(loaded, read_app_file(folder.apps_path) or default_table())

    def check_ports(self) -> None:
        """Whether another program has one of the ports; not asked if a server runs on this state folder."""
        if self._state.is_in_use():
            return
        for one in listeners_of(self._settings):
            if one.port and _binding_error(one.address, one.port) == errno.EADDRINUSE:
                self._refuse(one.keys.port, f"{one.port}: another program, perhaps another wcsd, listens there")
        port = self._settings.media_port_from
        for local in {entry.local for entry in media_addresses(self._settings, machine_addresses())} if port else ():
            if _binding_error(local, port, socket.SOCK_DGRAM) == errno.EADDRINUSE:
                self._refuse("media_port_from", f"{port}: another program, perhaps another wcsd, has UDP {local}")
        self._check_media_tcp()

    def _check_media_tcp(self) -> None:
        """Only a port that was asked for by its own setting must be free."""
        settings = self._settings
        wanted = settings.media_tcp_port
        port = settings.media_port_from if wanted is None else wanted
        for local in {entry.local for entry in media_addresses(settings, machine_addresses())} if port else ():
            if not settings.media_tcp or _binding_error(local, port) != errno.EADDRINUSE:
                continue
            fault = f"{port}: another program, perhaps another wcsd, has TCP {local}"
            if wanted is None:
                self.warnings.append(self._loaded.told_of("media_tcp_port", f"{fault}; there is no media by TCP"))
            else:
                self._refuse("media_tcp_port", fault)

    def _refuse(self, key: str, message: str) -> None:
        self.faults.append(self._loaded.told_of(key, message))

    # -- TLS ---------------------------------------------------------------------------------------

    def _check_certificate(self) -> None:
        certificate, key = self._settings.wss_cert, self._settings.wss_key
        if certificate is None or key is None:
            return
        contents = self._content("wss.cert", certificate), self._content("wss.key", key)
        if contents[0] is None or contents[1] is None or not self._fit(contents[0], contents[1]):
            return
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")  # asks nobody
        except (OSError, ssl.SSLError) as error:  # too weak a key, for one
            self._refuse("wss.cert", f"'{certificate}' cannot be used for TLS: {error}")

    def _fit(self, certificate: bytes, key: bytes) -> bool:
        """Whether both can be read and belong together; reports what is wrong."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from cryptography.x509 import (
            load_pem_x509_certificates,  # imported only if a certificate is configured, because it takes a while
        )

        path, key_path = self._settings.wss_cert, self._settings.wss_key
        try:
            chain = load_pem_x509_certificates(certificate)
        except ValueError:
            self._refuse("wss.cert", f"'{path}' holds no certificate in PEM form")
            return False
        try:
            private = load_pem_private_key(key, password=None)
        except TypeError:
            self._refuse(
                "wss.key", f"'{key_path}' is encrypted; decrypt it: openssl pkey -in {key_path} -out PLAIN_KEY"
            )
            return False
        except (ValueError, UnsupportedAlgorithm):
            self._refuse("wss.key", f"'{key_path}' holds no private key in PEM form")
            return False
        if private.public_key() != chain[0].public_key():
            self._refuse("wss.key", f"'{key_path}' is not the key of the first certificate in '{path}'")
            return False
        self._check_validity(chain[0])
        return True

    def _check_validity(self, certificate: "x509.Certificate") -> None:
        now = datetime.now(UTC)
        for is_wrong, what in (
            (certificate.not_valid_after_utc < now, f"expired at {certificate.not_valid_after_utc}"),
            (certificate.not_valid_before_utc > now, f"is not valid before {certificate.not_valid_before_utc}"),
        ):
            if is_wrong:
                self.warnings.append(
                    self._loaded.told_of("wss.cert", f"'{self._settings.wss_cert}' {what}; browsers will refuse it")
                )

    def _check_authorities(self, key: str, path: Path | None) -> None:
        if path is None or self._content(key, path) is None:
            return
        try:
            ssl.create_default_context(cafile=path)
        except (OSError, ssl.SSLError):
            self._refuse(key, f"'{path}' holds no certificates in PEM form")

    def _content(self, key: str, path: Path) -> bytes | None:
        try:
            return path.read_bytes()
        except OSError as error:
            self._refuse(key, f"'{path}' cannot be read: {error.strerror}")
            return None

    # -- recordings --------------------------------------------------------------------------------

    def _check_hook_script(self, script: Path | None) -> None:
        """WCS's own script, which its settings file names, is not here; any other one must be."""
        if script is None or (os.access(script, os.X_OK) and script.is_file()):
            return
        fault = f"'{script}' is no program that this user may run"
        if str(script) == STOCK_HOOK_SCRIPT and not os.access(script, os.F_OK):
            self.warnings.append(self._loaded.told_of("on_record_hook_script", f"{fault}; none is run"))
        else:
            self._refuse("on_record_hook_script", fault)

    def _check_records(self, settings: Settings) -> None:
        folder = settings.records_folder
        if folder is not None and not _can_be_written_to(folder):
            self._refuse("records.folder", f"'{folder}' is no folder that this user may write to, or make")
        is_public = settings.records_access is RecordsAccess.PUBLIC
        if is_public and settings.stream_record_policy is RecordPolicy.STREAM_NAME:
            told = "anybody may fetch recordings, whose names can be guessed (stream_record_policy=streamName)"
            self.warnings.append(self._loaded.told_of("records.access", told))

    # -- addresses ---------------------------------------------------------------------------------

    def _check_listening_addresses(self) -> None:
        for one in listeners_of(self._settings):
            match _binding_error(one.address, one.port):
                case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
                    self._refuse(one.keys.address, f"{one.address} is not an address of this machine")
                case errno.EACCES:
                    self._refuse(one.keys.port, f"{one.port}: this user may not listen there; try a port from 1024 up")

    def _check_exposure(self, state: StateFolder) -> None:
        try:
            has_accounts = read_account_file(state.accounts_path).has_credentials(utc_day())
        except (AccountFileError, TableStoreError) as error:
            self.faults.append(str(error))
            return
        for key, message in exposure_faults(self._settings, has_accounts=has_accounts):
            self._refuse(key, message)
        if not self.faults:
            warned = exposure_warnings(self._settings, has_accounts=has_accounts)
            self.warnings += (self._loaded.told_of(key, message) for key, message in warned)

    def _check_media_addresses(self) -> None:
        try:
            found = media_addresses(self._settings, machine_addresses())
        except ValueError as error:
            self._refuse("ip_local" if self._settings.ip_local else "ip", str(error))
            return
        written = {pair.public for pair in paired(self._settings.ip, self._settings.ip_local) if pair.local is None}
        for each in found:
            if each.public in written and each.local != each.public:
                told = f"{each.public} is not an address of this machine; it is taken for that of NAT, as if it were"
                self.warnings.append(self._loaded.told_of("ip", f"{told} {each.public}/{each.local}"))


def _can_be_written_to(folder: Path) -> bool:
    """Whether files can be made there; a folder that is missing is made in the next one above."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK) and folder.is_dir()


def _binding_error(address: str | None, port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> int | None:
    """Why the system refuses to bind there, if it does."""
    where = address or "0.0.0.0"
    try:
        with socket.socket(socket.AF_INET6 if ":" in where else socket.AF_INET, kind) as probe:
            if kind is socket.SOCK_STREAM:  # as a listener does it: connections that have ended are no obstacle
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((where, port))
    except OSError as error:
        return error.errno
    return None


def _faults_of_state(state: StateFolder, *, needs_certificate: bool) -> Iterator[str]:
    """Existing files that no server can use; missing ones are created at the start."""
    try:
        read_app_file(state.apps_path)
    except (AppFileError, TableStoreError) as error:
        yield str(error)
    try:
        open_source_store(state.sources_path)
    except (SourceFileError, TableStoreError) as error:
        yield str(error)
    yield from _faults_of_bans(state.bans_path)
    try:
        state.check(needs_certificate=needs_certificate)
    except StateFolderError as error:
        yield str(error)


def _faults_of_bans(path: Path) -> Iterator[str]:
    try:
        read_bans(path.read_text("utf-8"))
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        yield f"{path} cannot be read: {error}"
    except BansFileError as error:
        yield f"{path}: {error}; remove the file to lift all bans"

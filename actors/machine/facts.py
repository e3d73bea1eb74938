"""Collects what `wcsd --doctor` looks at. Changes nothing."""

import os
import resource
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import trio
from attrs import frozen

from actors.machine import kernel
from actors.machine.network_facts import ask_backends, ask_stun
from actors.net.network_interfaces import machine_addresses
from actors.storage.app_store import read_app_file
from actors.storage.state_folder import StateFolder
from actors.storage.table_store import TableStoreError
from config.apps import App
from config.doctor import BackendFacts, CertificateFacts, FolderFacts, MachineFacts, SenderFacts, StunFacts
from config.settings import Settings
from config.tables.apps_file import AppFileError

_CAP_NET_ADMIN = 12


@frozen
class _Answers:
    backends: tuple[BackendFacts, ...]
    stun: StunFacts | None


def read_facts(settings: Settings, state: Path, *, stun_server: str | None = None) -> MachineFacts:
    """The facts about this machine, for this user. Backends are connected to, and `stun_server` is asked, if given."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    answers = trio.run(_ask, settings, _apps(state), stun_server)
    return MachineFacts(
        user=os.geteuid(),
        folder=_folder(state),
        descriptors=None if hard == resource.RLIM_INFINITY else hard,
        rmem_max=kernel.network_limit("rmem_max"),
        wmem_max=kernel.network_limit("wmem_max"),
        somaxconn=kernel.network_limit("somaxconn"),
        may_force_buffers=kernel.has_capability(_CAP_NET_ADMIN),
        addresses=machine_addresses(),
        certificate=None if settings.wss_cert is None else _certificate(settings.wss_cert),
        clock_is_right=kernel.is_clock_synchronised(),
        swap=kernel.swap_size(),
        swappiness=kernel.swappiness(),
        systemd=kernel.systemd_version(),
        sender=_sender(settings),
        backends=answers.backends,
        stun=answers.stun,
    )


async def _ask(settings: Settings, apps: Sequence[App], stun_server: str | None) -> _Answers:
    backends = () if settings.disable_rest_requests else await ask_backends(settings, apps)
    return _Answers(backends, None if stun_server is None else await ask_stun(stun_server))


def _apps(state: Path) -> Sequence[App]:
    """The applications of the state folder; none if there are none that can be read: the start checks tell why."""
    try:
        table = read_app_file(StateFolder(state).apps_path)
    except (AppFileError, TableStoreError):
        return ()
    return () if table is None else table.apps


def _folder(state: Path) -> FolderFacts:
    """Of the folder, or of the nearest one above it that exists."""
    there = next(path for path in (state, *state.parents) if _is_there(path))
    status = there.stat()
    return FolderFacts(
        path=str(there),
        exists=there == state,
        owner=status.st_uid,
        mode=status.st_mode & 0o777,
        is_writable=there.is_dir() and os.access(there, os.W_OK | os.X_OK),
        free=shutil.disk_usage(there).free,
    )


def _is_there(path: Path) -> bool:
    """Whether this user can see that something is there."""
    try:
        return path.exists()
    except OSError:  # the folder above it is closed to this user, or the name is too long
        return False


def _sender(settings: Settings) -> SenderFacts:
    from actors.media.sending.sender_choice import choose_sender  # takes a while, and is needed here only

    try:
        sender = choose_sender(settings.media_sender, for_nodes=settings.cluster_redis_url is not None)
    except ValueError as error:
        return SenderFacts(name="", reason=str(error))
    return SenderFacts(name=sender.name, reason=sender.reason)


def _certificate(path: Path) -> CertificateFacts | None:
    from cryptography import x509  # takes a while, and is needed here only

    try:
        first, *_ = x509.load_pem_x509_certificates(path.read_bytes())
        names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    except (OSError, ValueError):
        return None
    told = (*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress)))
    return CertificateFacts(days=(first.not_valid_after_utc - datetime.now(UTC)).days, names=told)

"""Reads what `wcsd --doctor` looks at. Changes nothing."""

import os
import resource
import shutil
from datetime import UTC, datetime
from pathlib import Path

from actors.net.network_interfaces import machine_addresses
from config.doctor import FolderFacts, MachineFacts
from config.settings import Settings

_CAP_NET_ADMIN = 12


def read_facts(settings: Settings, state: Path) -> MachineFacts:
    """The facts about this machine, for this user."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return MachineFacts(
        user=os.geteuid(),
        folder=_folder(state),
        descriptors=None if hard == resource.RLIM_INFINITY else hard,
        rmem_max=_kernel_value("rmem_max"),
        wmem_max=_kernel_value("wmem_max"),
        somaxconn=_kernel_value("somaxconn"),
        may_force_buffers=_has_capability(_CAP_NET_ADMIN),
        addresses=machine_addresses(),
        certificate_days=None if settings.wss_cert is None else _days_left(settings.wss_cert),
    )


def _folder(state: Path) -> FolderFacts:
    """Of the folder, or of the nearest one above it that exists."""
    there = next(path for path in (state, *state.parents) if path.exists())
    status = there.stat()
    return FolderFacts(
        path=str(there),
        exists=there == state,
        owner=status.st_uid,
        mode=status.st_mode & 0o777,
        is_writable=there.is_dir() and os.access(there, os.W_OK | os.X_OK),
        free=shutil.disk_usage(there).free,
    )


def _kernel_value(name: str) -> int | None:
    try:
        return int(Path("/proc/sys/net/core", name).read_text())
    except (OSError, ValueError):
        return None


def _has_capability(number: int) -> bool:
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return False
    sets = [line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")]
    return any(int(text, 16) >> number & 1 for text in sets)


def _days_left(path: Path) -> int | None:
    from cryptography.x509 import load_pem_x509_certificates  # takes a while, and is needed here only

    try:
        first, *_ = load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        return None
    return (first.not_valid_after_utc - datetime.now(UTC)).days

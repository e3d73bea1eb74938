"""What `wcsd --doctor` says of a machine: findings from facts, each with its remedy."""

from collections.abc import Iterable, Iterator
from enum import IntEnum
from ipaddress import ip_address
from typing import Final

from attrs import frozen

from config.settings import Settings

SPARE_DESCRIPTORS: Final = 500
"""In addition to one per session: hooks, REST clients, media sockets, files."""
LITTLE_SPACE: Final = 512 * 1024 * 1024
NO_SPACE: Final = 16 * 1024 * 1024
"""Bytes free in the state folder: below the first, a warning; below the second, no start."""
FEW_DAYS: Final = 14
ENOUGH_WAITING: Final = 1024
"""Connections that may wait to be accepted."""


class Level(IntEnum):
    """How bad a finding is. The value is the exit code of a doctor that has found nothing worse."""

    OK = 0
    WARNING = 1
    FAULT = 2


@frozen(kw_only=True)
class Finding:
    """One line. `remedy`: what to do about it; empty if nothing need be done."""

    level: Level
    about: str
    text: str
    remedy: str = ""


@frozen(kw_only=True)
class FolderFacts:
    """The state folder, or, if it does not exist yet, the folder in which it will be made."""

    path: str
    exists: bool
    owner: int
    mode: int
    is_writable: bool
    free: int
    """Bytes."""


@frozen(kw_only=True)
class MachineFacts:
    """The machine, as this user sees it. None: not known."""

    user: int
    folder: FolderFacts
    descriptors: int | None
    """The most that this process may open; None: no limit."""
    rmem_max: int | None
    wmem_max: int | None
    somaxconn: int | None
    may_force_buffers: bool
    """CAP_NET_ADMIN: the two limits above do not apply."""
    addresses: tuple[str, ...]
    certificate_days: int | None
    """Days left of `wss.cert`; None also if there is none."""


def examine(settings: Settings, facts: MachineFacts) -> Iterator[Finding]:
    """The findings, in the order in which they are shown."""
    yield from _folder(facts)
    yield _descriptors(settings, facts)
    yield _buffers(settings, facts)
    yield _waiting(facts)
    yield _certificate(settings, facts)
    yield _addresses(settings, facts)


def worst(findings: Iterable[Finding]) -> Level:
    """The level of the worst of them."""
    return max((finding.level for finding in findings), default=Level.OK)


def _folder(facts: MachineFacts) -> Iterator[Finding]:
    folder, about = facts.folder, "state folder"
    if not folder.is_writable:
        remedy = f"chown -R USER {folder.path}, or name another folder with --state"
        yield Finding(level=Level.FAULT, about=about, text=f"{folder.path} is not writable", remedy=remedy)
    elif not folder.exists:
        yield Finding(level=Level.OK, about=about, text=f"will be made in {folder.path}")
    elif folder.owner != facts.user:
        text = f"{folder.path} belongs to uid {folder.owner}, not to uid {facts.user} who runs this"
        yield Finding(level=Level.WARNING, about=about, text=text, remedy="run wcsd --doctor as the server's user")
    elif folder.mode & 0o077:
        text = f"{folder.path} is open to other users (mode {folder.mode:03o})"
        yield Finding(level=Level.WARNING, about=about, text=text, remedy=f"chmod 700 {folder.path}")
    else:
        yield Finding(level=Level.OK, about=about, text=f"{folder.path} is this user's alone")
    yield _space(folder)


def _space(folder: FolderFacts) -> Finding:
    level = Level.FAULT if folder.free < NO_SPACE else Level.WARNING if folder.free < LITTLE_SPACE else Level.OK
    remedy = f"make room on the disk of {folder.path}" if level else ""
    return Finding(level=level, about="space", text=f"{folder.free // 1024**2:,} MiB are free", remedy=remedy)


def _descriptors(settings: Settings, facts: MachineFacts) -> Finding:
    limit, needed = facts.descriptors, settings.max_sessions + SPARE_DESCRIPTORS
    text = (
        "no limit" if limit is None else f"{limit:,} may be open, max_sessions={settings.max_sessions} needs {needed:,}"
    )
    if limit is None or limit >= needed:
        return Finding(level=Level.OK, about="descriptors", text=text)
    remedy = f"LimitNOFILE={needed} in the unit, ulimit -n {needed}, or a lower max_sessions"
    return Finding(level=Level.WARNING, about="descriptors", text=text, remedy=remedy)


def _buffers(settings: Settings, facts: MachineFacts) -> Finding:
    wanted = settings.media_socket_buffer
    limits = {"net.core.rmem_max": facts.rmem_max, "net.core.wmem_max": facts.wmem_max}
    small = [name for name, limit in limits.items() if limit is not None and limit < wanted]
    if facts.may_force_buffers or not small:
        return Finding(level=Level.OK, about="media buffers", text=f"{wanted:,} bytes will be granted")
    return Finding(
        level=Level.WARNING,
        about="media buffers",
        text=f"{' and '.join(small)} below media_socket_buffer={wanted}: bursts to many viewers lose packets",
        remedy=f"sysctl -w {' '.join(f'{name}={wanted}' for name in small)}; and in /etc/sysctl.d/",
    )


def _waiting(facts: MachineFacts) -> Finding:
    if facts.somaxconn is None or facts.somaxconn >= ENOUGH_WAITING:
        return Finding(level=Level.OK, about="arrivals", text="enough connections may wait to be accepted")
    return Finding(
        level=Level.WARNING,
        about="arrivals",
        text=f"net.core.somaxconn is {facts.somaxconn}: connections are lost when many clients come at once",
        remedy=f"sysctl -w net.core.somaxconn={ENOUGH_WAITING}; and in /etc/sysctl.d/",
    )


def _certificate(settings: Settings, facts: MachineFacts) -> Finding:
    about, days = "certificate", facts.certificate_days
    if settings.wss_cert is None:
        text = "none is configured: wss and https use a self-signed one, which browsers refuse"
        return Finding(level=Level.WARNING, about=about, text=text, remedy="set wss.cert and wss.key")
    if days is None:
        text = f"{settings.wss_cert} cannot be read"
        return Finding(level=Level.FAULT, about=about, text=text, remedy="set wss.cert to a PEM file of this user")
    if days >= FEW_DAYS:
        return Finding(level=Level.OK, about=about, text=f"{days:,} days are left")
    text = f"{settings.wss_cert} has expired" if days < 0 else f"{settings.wss_cert}: {days} days are left"
    return Finding(
        level=Level.WARNING, about=about, text=text, remedy="renew it; the server takes in the new file itself"
    )


def _addresses(settings: Settings, facts: MachineFacts) -> Finding:
    told = [pair.public for pair in settings.ip] or list(settings.ip_local) or list(facts.addresses)
    text = f"media: {', '.join(told) or 'none'}"
    if any(ip_address(address).is_global for address in told):
        return Finding(level=Level.OK, about="addresses", text=text)
    if settings.ip:
        return Finding(level=Level.OK, about="addresses", text=f"{text}, private as ip says")
    remedy = "if clients come from outside, set ip to the public address (ip=PUBLIC/LOCAL behind NAT)"
    return Finding(level=Level.WARNING, about="addresses", text=f"{text}: all private, and ip is unset", remedy=remedy)

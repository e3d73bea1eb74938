"""What `wcsd --doctor` says of a machine: findings from facts, each with its remedy."""

from collections.abc import Iterable, Iterator
from enum import IntEnum
from ipaddress import ip_address
from typing import Final

from attrs import frozen

from config.settings import MediaSender, Settings

SPARE_DESCRIPTORS: Final = 500
"""In addition to one per session: hooks, REST clients, media sockets, files."""
LITTLE_SPACE: Final = 512 * 1024 * 1024
NO_SPACE: Final = 16 * 1024 * 1024
"""Bytes free in the state folder: below the first, a warning; below the second, no start."""
FEW_DAYS: Final = 14
ENOUGH_WAITING: Final = 1024
"""Connections that may wait to be accepted."""
CALM_SWAPPINESS: Final = 10
"""Up to this, the kernel hardly swaps out what is idle."""
OLDEST_SYSTEMD: Final = 247
"""It knows every directive of the unit."""


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
class CertificateFacts:
    """`wss.cert`: days that it is still valid, and the names and addresses that it is for (subjectAltName)."""

    days: int
    names: tuple[str, ...]


@frozen(kw_only=True)
class SenderFacts:
    """The packet sender that `media.sender` leads to; no name: none."""

    name: str
    reason: str


@frozen(kw_only=True)
class BackendFacts:
    """A backend, by the first application that has it. `fault`: why it cannot be connected to."""

    app: str
    address: str
    fault: str | None


@frozen(kw_only=True)
class StunFacts:
    """What a STUN server has answered: our address as it sees it, or why there is none."""

    server: str
    address: str | None = None
    fault: str | None = None


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
    certificate: CertificateFacts | None
    """None also if `wss.cert` is unset."""
    clock_is_right: bool | None
    """Whether something keeps the clock synchronised."""
    swap: int
    """Bytes."""
    swappiness: int | None
    systemd: int | None
    sender: SenderFacts
    backends: tuple[BackendFacts, ...] = ()
    stun: StunFacts | None = None
    """None: no server was asked."""


def examine(settings: Settings, facts: MachineFacts) -> Iterator[Finding]:
    """The findings, in the order in which they are shown."""
    yield from _folder(facts)
    yield _descriptors(settings, facts)
    yield _buffers(settings, facts)
    yield _waiting(facts)
    yield from _certificate(settings, facts)
    yield _addresses(settings, facts)
    if facts.stun is not None:
        yield _mapping(settings, facts.stun)
    yield _clock(facts)
    yield _sender(settings, facts.sender)
    yield _swap(facts)
    yield _systemd(facts)
    yield from map(_backend, facts.backends)


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


def _certificate(settings: Settings, facts: MachineFacts) -> Iterator[Finding]:
    about, certificate, path = "certificate", facts.certificate, settings.wss_cert
    if path is None:
        text = "none is configured: wss and https use a self-signed one, which browsers refuse"
        yield Finding(level=Level.WARNING, about=about, text=text, remedy="set wss.cert and wss.key")
        return
    if certificate is None:
        remedy = "set wss.cert to a PEM file that this user may read"
        yield Finding(level=Level.FAULT, about=about, text=f"{path} cannot be read", remedy=remedy)
        return
    if certificate.days >= FEW_DAYS:
        yield Finding(level=Level.OK, about=about, text=f"{certificate.days:,} days are left")
    else:
        text = f"{path} has expired" if certificate.days < 0 else f"{path}: {certificate.days} days are left"
        remedy = "renew it; the server takes in the new file itself"
        yield Finding(level=Level.WARNING, about=about, text=text, remedy=remedy)
    if certificate.names:
        yield Finding(level=Level.OK, about=about, text=f"it is for {', '.join(certificate.names)}")
    else:
        remedy = "get one whose subjectAltName has the names that pages connect to"
        text = f"{path} is for no name: browsers refuse it"
        yield Finding(level=Level.WARNING, about=about, text=text, remedy=remedy)


def _addresses(settings: Settings, facts: MachineFacts) -> Finding:
    told = [pair.public for pair in settings.ip] or list(settings.ip_local) or list(facts.addresses)
    text = f"media: {', '.join(told) or 'none'}"
    if any(ip_address(address).is_global for address in told):
        return Finding(level=Level.OK, about="addresses", text=text)
    if settings.ip:
        return Finding(level=Level.OK, about="addresses", text=f"{text}, private as ip says")
    remedy = "if clients come from outside, set ip to the public address (ip=PUBLIC/LOCAL behind NAT)"
    return Finding(level=Level.WARNING, about="addresses", text=f"{text}: all private, and ip is unset", remedy=remedy)


def _mapping(settings: Settings, stun: StunFacts) -> Finding:
    about = "address outside"
    if stun.address is None:
        remedy = "try another server with --stun HOST:PORT; does a firewall keep UDP from leaving?"
        return Finding(level=Level.WARNING, about=about, text=f"{stun.server}: {stun.fault}", remedy=remedy)
    told = {pair.public for pair in settings.ip} or {*settings.ip_local}
    text = f"{stun.server} sees {stun.address}"
    if told and stun.address not in told:
        remedy = f"if clients come from outside, ip must have {stun.address}"
        return Finding(level=Level.WARNING, about=about, text=f"{text}, which ip does not have", remedy=remedy)
    return Finding(level=Level.OK, about=about, text=text)


def _clock(facts: MachineFacts) -> Finding:
    if facts.clock_is_right is not False:
        text = "nobody knows whether it is right" if facts.clock_is_right is None else "is synchronised"
        return Finding(level=Level.OK, about="clock", text=text)
    remedy = "apt-get install systemd-timesyncd (or chrony), and give it a minute"
    text = "is not synchronised: certificates, tokens, bans and signatures of hooks depend on it"
    return Finding(level=Level.WARNING, about="clock", text=text, remedy=remedy)


def _sender(settings: Settings, sender: SenderFacts) -> Finding:
    about = "media sender"
    if not sender.name:
        remedy = "remove media.sender=fast, or install the versions of the release"
        return Finding(level=Level.FAULT, about=about, text=sender.reason, remedy=remedy)
    text = f"{sender.name}: {sender.reason}"
    if sender.name == "fast" or settings.media_sender is MediaSender.PORTABLE:
        return Finding(level=Level.OK, about=about, text=text)
    remedy = "install the versions of the release (its list of hashes); viewers cost several times as much without it"
    return Finding(level=Level.WARNING, about=about, text=text, remedy=remedy)


def _swap(facts: MachineFacts) -> Finding:
    if not facts.swap:
        return Finding(level=Level.OK, about="swap", text="none")
    text = f"{facts.swap // 1024**2:,} MiB"
    if facts.swappiness is not None and facts.swappiness <= CALM_SWAPPINESS:
        return Finding(level=Level.OK, about="swap", text=f"{text}, swappiness {facts.swappiness}")
    remedy = f"MemorySwapMax=0 in the unit (ours has it), or sysctl -w vm.swappiness={CALM_SWAPPINESS}"
    text += ": media stalls while memory of the server is read back"
    return Finding(level=Level.WARNING, about="swap", text=text, remedy=remedy)


def _systemd(facts: MachineFacts) -> Finding:
    if facts.systemd is None:
        return Finding(level=Level.OK, about="systemd", text="is not in charge here")
    if facts.systemd >= OLDEST_SYSTEMD:
        return Finding(level=Level.OK, about="systemd", text=f"version {facts.systemd}")
    text = f"version {facts.systemd} does not know every directive of the unit, and leaves the service less confined"
    remedy = f"a system with systemd {OLDEST_SYSTEMD} or later, such as Debian 12"
    return Finding(level=Level.WARNING, about="systemd", text=text, remedy=remedy)


def _backend(backend: BackendFacts) -> Finding:
    about = f"backend of {backend.app}"
    if backend.fault is None:
        trust = ", trusted" if backend.address.startswith("https:") else ""
        return Finding(level=Level.OK, about=about, text=f"{backend.address} is reached{trust}")
    remedy = f"start it, or correct the URL (wcs update app); then: wcs test app {backend.app}"
    return Finding(level=Level.WARNING, about=about, text=f"{backend.address}: {backend.fault}", remedy=remedy)

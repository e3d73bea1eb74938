"""The unit for systemd, fitted to one installation: from the shipped text to the one that `wcsd --init` writes."""

from pathlib import Path
from typing import Final
from urllib.parse import quote

from attrs import frozen

from config.settings import TABLE, Settings

SHIPPED_PREFIX: Final = Path("/opt/wcsd")
SHIPPED_STATE: Final = Path("/var/lib/wcsd")
_STATE_LINES: Final = "StateDirectory=wcsd\nStateDirectoryMode=0700\n"
_PORT_LINES: Final = "AmbientCapabilities=\nCapabilityBoundingSet=\nNoNewPrivileges=yes\nPrivateUsers=yes\n"
_LOW_PORT_LINES: Final = (
    "AmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"
    "NoNewPrivileges=yes\nPrivateUsers=no\n"
)
_ELSEWHERE_LINE: Final = "# For an audit.file or records.folder elsewhere: ReadWritePaths=/srv/records\n"
_FIRST_FREE_PORT: Final = 1024
_HOMES: Final = tuple(map(Path, ("/home", "/root", "/run/user")))


class UnitError(ValueError):
    """A path cannot stand in a unit; the text says which, and why."""


@frozen(kw_only=True)
class Installation:
    """Where the parts of one installation are. `config` is None where the default place is meant."""

    program: Path
    documents: Path
    """The folder of operating.md."""
    config: Path | None
    state: Path


def fitted_unit(shipped: str, installation: Installation, settings: Settings) -> str:
    """The shipped unit with this installation's paths, and what its ports and paths need. Raises UnitError."""
    for path in (*_paths(installation), *_written_folders(settings)):
        _check(path)
    text = shipped.replace(f"ExecStart={SHIPPED_PREFIX}/bin/wcsd\n", f"ExecStart={_command(installation)}\n")
    text = text.replace(
        f"file://{SHIPPED_PREFIX}/share/doc/wcsd/docs", f"file://{_specifiers_kept(quote(str(installation.documents)))}"
    )
    if installation.state != SHIPPED_STATE:
        text = text.replace(_STATE_LINES, f"ReadWritePaths={_quoted(installation.state)}\n")
    if lines := "".join(f"ReadWritePaths={_quoted(folder)}\n" for folder in _written_folders(settings)):
        text = text.replace(_ELSEWHERE_LINE, lines)
    if any(port < _FIRST_FREE_PORT for port in _ports(settings)):
        text = text.replace(_PORT_LINES, _LOW_PORT_LINES)
    if any(path.is_relative_to(home) for path in _paths(installation) for home in _HOMES):
        text = text.replace("ProtectHome=yes", "ProtectHome=read-only")
    return text


def _command(installation: Installation) -> str:
    if any(character in str(installation.program) for character in "\\\"'"):
        raise UnitError(f"{installation.program}: systemd starts no program with a quote or a backslash in its path")
    options = []
    if installation.config is not None:
        options.append(f"--config={installation.config}")
    if installation.state != SHIPPED_STATE:
        options.append(f"--state={installation.state}")
    # Variables are replaced in arguments alone: systemd.service(5), "Command lines".
    return " ".join([_quoted(installation.program), *(_quoted(option.replace("$", "$$")) for option in options)])


def _check(path: Path) -> None:
    if not str(path).isprintable():
        raise UnitError(f"{str(path)!r}: a path in a unit must not hold control characters")


def _specifiers_kept(word: str) -> str:
    return word.replace("%", "%%")


def _quoted(value: str | Path) -> str:
    """As one word of a unit (systemd.syntax(7)), whose specifiers mean nothing in it."""
    word = _specifiers_kept(str(value))
    if not any(character in word for character in " \t\"'\\;"):
        return word
    escaped = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _ports(settings: Settings) -> list[int]:
    """Every port that a setting names, 0 and unset ones left out."""
    names = (known.attribute for known in TABLE.values() if known.key.rpartition(".")[2].endswith("port"))
    return [port for port in (getattr(settings, name) for name in (*names, "media_port_from")) if port]


def _written_folders(settings: Settings) -> list[Path]:
    """Folders that the server writes to beside its state folder."""
    audit = settings.audit_file and settings.audit_file.parent
    return [folder for folder in (audit, settings.records_folder) if folder is not None]


def _paths(installation: Installation) -> tuple[Path, ...]:
    config = () if installation.config is None else (installation.config,)
    return (installation.program, installation.state, *config)

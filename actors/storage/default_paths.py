"""Where a server looks for its files by default: inside a checkout, or in the system's folders.

Imports only the standard library, because `wcs` uses it.
"""

import sys
from pathlib import Path

SOCKET_NAME = "wcs.sock"
"""The Unix socket in the state folder that `wcs` connects to."""
USUAL_PREFIX = Path("/opt/wcsd")
"""Where it is installed; a link to the environment of one version, so that an update turns the link."""

_PARENT = Path(__file__).resolve().parents[2]


def default_config_file(parent: Path = _PARENT) -> Path:
    """The settings file. `parent` is the folder that contains our packages. The file need not exist."""
    folder = parent / "config" if _is_checkout(parent) else Path("/etc/wcsd")
    return folder / "flashphoner.properties"


def default_state_folder(parent: Path = _PARENT) -> Path:
    """The state folder. It need not exist."""
    return parent / "var" if _is_checkout(parent) else Path("/var/lib/wcsd")


def program_and_documents(parent: Path = _PARENT, prefix: str = sys.prefix) -> tuple[Path, Path]:
    """The program `wcsd`, and the folder of the documentation. `prefix` is that of the environment we run in."""
    if _is_checkout(parent):
        return parent / "bin" / "wcsd", parent / "docs"
    folder = USUAL_PREFIX if USUAL_PREFIX.resolve() == Path(prefix).resolve() else Path(prefix)
    return folder / "bin" / "wcsd", folder / "share" / "doc" / "wcsd" / "docs"


def _is_checkout(parent: Path) -> bool:
    return (parent / "pyproject.toml").is_file() and (parent / "bin" / "wcsd").is_file()

"""Where a server looks for its files when it is told nothing: beside a checkout, or in the system's folders.

Imports the standard library alone, for the operator's commands use it.
"""

from pathlib import Path

SOCKET_NAME = "wcs.sock"
"""The Unix socket in the state folder that the operator's commands go through."""

_PARENT = Path(__file__).resolve().parents[2]


def default_config_file(parent: Path = _PARENT) -> Path:
    """The settings file. `parent` is the folder that holds our packages. The file need not be there."""
    folder = parent / "config" if _is_checkout(parent) else Path("/etc/wcsd")
    return folder / "flashphoner.properties"


def default_state_folder(parent: Path = _PARENT) -> Path:
    """The state folder. It need not be there."""
    return parent / "var" if _is_checkout(parent) else Path("/var/lib/wcsd")


def _is_checkout(parent: Path) -> bool:
    return (parent / "pyproject.toml").is_file() and (parent / "bin" / "wcsd").is_file()

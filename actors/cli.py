"""The command line of `wcsd`: its options, and the settings that result."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NoReturn

from attrs import frozen

from actors.storage.default_paths import default_config_file, default_state_folder
from actors.storage.start_checks import StartChecks
from config.loading import LoadedSettings, SettingsError, load_settings
from config.render import effective_file
from config.settings import Settings
from config.version import VERSION

EXIT_BAD_SETTINGS = 2
MAX_FILE_SIZE = 16 * 1024 * 1024
"""Bytes; a longer file cannot be a settings file."""


@frozen(kw_only=True)
class Invocation:
    """A server to run. `warnings` are for the log, once it is set up."""

    settings: Settings
    state: Path
    warnings: tuple[str, ...]


def read_command_line(arguments: Sequence[str] | None = None) -> Invocation:
    """Parse the arguments (None: those of the process).

    Raises SystemExit if there is nothing to run: 0 after --help, --version, --check-config and --print-config, 2 after
    reporting what is wrong with the arguments or settings.
    """
    options = _parser().parse_args(arguments)
    loaded = _load(options)
    if options.print_config:
        _finish(effective_file(loaded.given), loaded.warnings)
    state = options.state.absolute()
    checks = StartChecks(loaded, state)
    warnings = (*loaded.warnings, *checks.warnings)
    if checks.faults:
        _refuse(checks.faults)
    if options.check_config:
        _finish(f"{options.config}: settings are good\n", warnings)
    return Invocation(settings=loaded.settings, state=state, warnings=warnings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wcsd",
        description="An open server for Flashphoner WebSDK pages: WebRTC publishing and playing.",
        epilog="Settings: --set overrides the file, the file overrides the defaults. --print-config explains them all.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help=f"the settings file (default: {default_config_file()})"
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="DIR",
        default=default_state_folder(),
        help="the state folder (default: %(default)s)",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting; may be repeated"
    )
    parser.add_argument(
        "--check-config", action="store_true", help="check the settings and the files they name, and exit"
    )
    parser.add_argument(
        "--print-config", action="store_true", help="print each setting's meaning, value and origin, and exit"
    )
    parser.add_argument("--version", action="version", version=f"wcsd {VERSION}")
    return parser


def _load(options: argparse.Namespace) -> LoadedSettings:
    needed = options.config is not None
    options.config = options.config or default_config_file()
    try:
        text = _read(options.config, needed=needed)
        return load_settings(text, file_name=str(options.config), overrides=options.set)
    except SettingsError as error:
        _refuse(error.faults)


def _read(path: Path, *, needed: bool) -> str | None:
    """The text of the settings file; None if there is none and none was named."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_SIZE + 1)
    except FileNotFoundError:
        if not needed:
            return None
        raise SettingsError([f"{path}: there is no such file"]) from None
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from None
    if len(content) > MAX_FILE_SIZE:
        raise SettingsError([f"{path}: is longer than {MAX_FILE_SIZE} bytes"])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError([f"{path}:{line}: is not UTF-8; write other characters as \\uXXXX"]) from None


def _refuse(faults: Iterable[str]) -> NoReturn:
    _tell(faults)
    sys.exit(EXIT_BAD_SETTINGS)


def _finish(output: str, warnings: Iterable[str]) -> NoReturn:
    _tell(f"warning: {warning}" for warning in warnings)
    sys.stdout.write(output)
    sys.exit(0)


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)

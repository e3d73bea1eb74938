"""The command line of `wcsd`: its options, and the settings that result."""

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from attrs import frozen

from actors.settings.settings_source import SettingsSource
from actors.storage.default_paths import default_config_file, default_state_folder
from config.doctor import Finding, Level, examine, worst
from config.loading import LoadedSettings, SettingsError
from config.render import effective_file
from config.settings import Settings
from config.version import VERSION

EXIT_BAD_SETTINGS = 2
MOST_NODES = 64


@frozen(kw_only=True)
class Invocation:
    """A server to run. `warnings` are for the log, once it is set up."""

    loaded: LoadedSettings
    source: SettingsSource
    warnings: tuple[str, ...]
    nodes: int | None = None
    """How many nodes to start, instead of being the server itself."""
    node: int | None = None
    """Which one of those nodes it is."""

    @property
    def settings(self) -> Settings:
        return self.loaded.settings

    @property
    def state(self) -> Path:
        return self.source.state


def read_command_line(arguments: Sequence[str] | None = None) -> Invocation:
    """Parse the arguments (None: those of the process).

    Raises SystemExit if there is nothing to run: 0 after --help, --version, --check-config and --print-config, what was
    found after --doctor, 2 after reporting what is wrong with the arguments or settings.
    """
    options = _parse(arguments)
    source = SettingsSource(file=_settings_file(options), overrides=tuple(options.set), state=options.state.absolute())
    try:
        loaded = source.load()
        if options.print_config:
            _finish(effective_file(loaded.given), loaded.warnings)
        if options.init:
            sys.exit(_set_up(options, loaded))
        if options.doctor:
            sys.exit(_examine(source, loaded, options.stun))
        warnings = source.check(loaded, with_ports=options.check_config).warnings
    except SettingsError as error:
        if options.check_config:
            _warn(error.warnings)
        _refuse(error.faults)
    if options.check_config:
        _finish(f"{source.path}: settings are good\n", warnings)
    return Invocation(loaded=loaded, source=source, warnings=warnings, nodes=options.nodes, node=options.node)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    options = _parser().parse_args(arguments)
    if options.stun is not None and not options.doctor:
        _refuse(["--stun goes with --doctor"])
    if options.root is not None and not options.init:
        _refuse(["--root goes with --init"])
    return options


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
    parser.add_argument(
        "--nodes",
        type=_number_of_nodes,
        metavar="N",
        help=f"use N cores: run N servers that are one to their clients (at most {MOST_NODES})",
    )
    parser.add_argument("--node", type=int, help=argparse.SUPPRESS)  # how --nodes starts each of them
    _add_preparations(parser)
    parser.add_argument("--version", action="version", version=f"wcsd {VERSION}")
    return parser


def _number_of_nodes(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_NODES:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MOST_NODES}")
    return int(text)


def _add_preparations(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--doctor",
        action="store_true",
        help="look at the settings and this machine, tell what to do, and exit (0: nothing, 1: warnings, 2: no start)",
    )
    parser.add_argument(
        "--init",
        action="store_true",
        help="write a settings file, a unit for systemd with what belongs to it, and a first user; nothing is replaced",
    )
    parser.add_argument("--root", type=Path, metavar="DIR", help="with --init: the system's root, of an image")
    parser.add_argument(
        "--stun", metavar="HOST[:PORT]", help="with --doctor: ask this STUN server which address it sees us at"
    )


def _settings_file(options: argparse.Namespace) -> Path | None:
    """The file to read; None for the default one. `--init` may begin without any."""
    if not options.init:
        return options.config  # type: ignore[no-any-return]
    file = _root(options) / (options.config or default_config_file()).absolute().relative_to("/")
    return file if file.exists() else Path(os.devnull)


def _root(options: argparse.Namespace) -> Path:
    return Path(options.root or "/").absolute()


def _set_up(options: argparse.Namespace, loaded: LoadedSettings) -> int:
    """Make what a first start needs; the exit code."""
    from actors.machine.first_start import FirstStart  # it brings in what hashes passwords

    first = FirstStart(
        root=_root(options),
        config=options.config and options.config.absolute(),
        state=options.state.absolute(),
        loaded=loaded,
    )
    return first.set_up()


def _examine(source: SettingsSource, loaded: LoadedSettings, stun_server: str | None) -> Level:
    """Print every finding; the exit code."""
    from actors.machine.facts import read_facts  # it brings in what talks to backends

    facts = read_facts(loaded.settings, source.state, stun_server=stun_server)
    findings = [*_start_findings(source, loaded), *examine(loaded.settings, facts)]
    for finding in findings:
        print(f"{finding.level.name.lower():8} {finding.about}: {finding.text}")
        if finding.remedy:
            print(f"{'':8} -> {finding.remedy}")
    return worst(findings)


def _start_findings(source: SettingsSource, loaded: LoadedSettings) -> Iterator[Finding]:
    """What a start would say, ports included."""
    try:
        warnings = source.check(loaded, with_ports=True).warnings
    except SettingsError as error:
        for fault in error.faults:
            yield Finding(level=Level.FAULT, about="start", text=fault, remedy=f"correct it; settings: {source.path}")
        return
    for warning in warnings:
        if warning not in loaded.without_effect:
            remedy = "" if warning.startswith(str(source.path)) else f"settings: {source.path}"
            yield Finding(level=Level.WARNING, about="start", text=warning, remedy=remedy)
    if loaded.without_effect:
        told = f"{len(loaded.without_effect)} settings of WCS have no effect here; --check-config lists them"
        yield Finding(level=Level.OK, about="start", text=told)
    yield Finding(level=Level.OK, about="start", text="settings, files and ports are good")


def _refuse(faults: Iterable[str]) -> NoReturn:
    _tell(faults)
    sys.exit(EXIT_BAD_SETTINGS)


def _finish(output: str, warnings: Iterable[str]) -> NoReturn:
    _warn(warnings)
    sys.stdout.write(output)
    sys.exit(0)


def _warn(warnings: Iterable[str]) -> None:
    _tell(f"warning: {warning}" for warning in warnings)


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)

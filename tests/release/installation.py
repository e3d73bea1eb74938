"""Checks of the installation: the documented command into a new environment, then the programs that it made."""

import os
import subprocess
import sys
from pathlib import Path

from tests.release import syscall_filter
from tests.release.artefacts import Release, run
from tests.release.changelog import NotReleasable

ANY_PORTS = [f"--set={name}=0" for name in ("ws.port", "wss.port", "http.port", "https.port", "media_port_from")]
STOP_TIMEOUT = 60


def install(release: Release, environment: Path) -> None:
    """As docs/operating.md says. What the package index serves must have the hashes of the list."""
    run([sys.executable, "-m", "venv", str(environment)])
    pip = [str(environment / "bin/pip"), "--disable-pip-version-check"]
    run([*pip, "install", "--quiet", "--no-input", "--require-hashes", "-r", str(release.requirements)], _clean())
    run([*pip, "check"], _clean())


def check_programs(release: Release, environment: Path, state: Path) -> str:
    """The programs say the right version; the server starts, answers `wcs`, and stops: with the unit's system calls."""
    wcsd, wcs = (str(environment / "bin" / name) for name in ("wcsd", "wcs"))
    for program in (wcsd, wcs):
        if (told := run([program, "--version"], _clean()).split()[-1]) != release.version:
            raise NotReleasable(f"{program} says that it is version {told}")
    run([wcsd, "--check-config", f"--state={state}", *ANY_PORTS], _clean())
    confined = [sys.executable, syscall_filter.__file__, str(release.target / "wcsd.service")]
    command = [*confined, wcsd, f"--state={state}", *ANY_PORTS]
    with subprocess.Popen(command, env=_clean(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        try:
            return _converse(server, [wcs, f"--state={state}"])
        finally:
            server.kill()


def _converse(server: "subprocess.Popen[str]", wcs: list[str]) -> str:
    assert server.stdout is not None
    ready = server.stdout.readline()
    if not ready.startswith("wcsd ready "):
        raise NotReleasable(f"the installed server does not start: {server.communicate()[1]}")
    apps = run([*wcs, "show", "apps"], _clean())
    if "defaultApp" not in apps:
        raise NotReleasable(f"the installed server has no applications: {apps}")
    server.terminate()
    _, log = server.communicate(timeout=STOP_TIMEOUT)
    if "sender=fast" not in log:
        raise NotReleasable(f"the installed server does not have its fast sender: {log}")
    if server.returncode:
        raise NotReleasable(f"the installed server ended with exit code {server.returncode}: {log}")
    return "started, answered, stopped"


def check_shadows(environment: Path, workshop: Path) -> None:
    """Another project's package under a name of ours ends the start, with one line."""
    foreign = workshop / "foreign"
    (foreign / "config").mkdir(parents=True)
    (foreign / "config/__init__.py").touch()
    for program in ("wcsd", "wcs"):
        ended = subprocess.run(
            [environment / "bin" / program, "--version"],
            env={**_clean(), "PYTHONPATH": str(foreign)},
            capture_output=True,
            text=True,
        )
        if ended.returncode != 2 or ended.stderr.count("\n") != 1 or "package 'config'" not in ended.stderr:
            raise NotReleasable(f"{program}, shadowed: exit code {ended.returncode}: {ended.stderr}")


def set_up(environment: Path, root: Path) -> Path:
    """Let the installed `wcsd --init` set up a system below `root`; the unit that it wrote."""
    wcsd = str(environment / "bin/wcsd")
    run([wcsd, "--init", f"--root={root}"], _clean())
    unit = root / "etc/systemd/system/wcsd.service"
    if f"ExecStart={wcsd}\n" not in unit.read_text():
        raise NotReleasable(f"wcsd --init wrote a unit that does not start {wcsd}")
    if not (root / "var/lib/wcsd/users.toml").exists():
        raise NotReleasable("wcsd --init made no first user")
    return unit


def check_sandbox(release: Release, environment: Path) -> str:
    """The unit lets a worker take every step by which it shuts itself off."""
    enter = "from actors.workers.programs.common import sandbox; print(*sandbox.enter(1 << 30))"
    command = [str(environment / "bin/python"), "-c", enter]
    confined = [sys.executable, syscall_filter.__file__, str(release.target / "wcsd.service")]
    elsewhere = run(command, _clean()).split()  # what this kernel itself refuses
    if refused := {*run([*confined, *command], _clean()).split()} - {*elsewhere}:
        raise NotReleasable(f"the unit refuses steps of the workers' sandbox: {', '.join(sorted(refused))}")
    return "no step refused"


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

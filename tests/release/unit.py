"""Checks of the files for systemd and the kernel, by systemd's own tools."""

import re
from pathlib import Path

from config.service_unit import Installation, fitted_unit
from config.settings import Settings
from tests.release.artefacts import run
from tests.release.changelog import NotReleasable

MOST_EXPOSED = 1.7
"""Of 10, by `systemd-analyze security`: 9.2 is a service without any restriction."""
INSTALLED = "/opt/wcsd/bin/wcsd"
_EXPOSURE = re.compile(r"Overall exposure level for \S+: ([0-9.]+)")
_SYSCTL = re.compile(r"[a-z_.]+ = \d+")


def check_unit(unit: Path, program: Path, workshop: Path) -> str:
    """Verify the shipped unit, as if it started `program`, and how much of the system it leaves open."""
    text = unit.read_text()
    if f"ExecStart={INSTALLED}\n" not in text:
        raise NotReleasable(f"{unit}: does not start {INSTALLED}")
    tried = workshop / "unit" / "wcsd.service"
    tried.parent.mkdir(exist_ok=True)
    tried.write_text(text.replace(INSTALLED, str(program)))
    return verify(tried)


def verify(unit: Path) -> str:
    """What systemd has to say against a unit whose program exists; its exposure, which must be small."""
    complaints = run(["systemd-analyze", "verify", "--man=no", str(unit)])
    if ours := [line for line in complaints.splitlines() if unit.stem in line]:
        raise NotReleasable("\n".join([f"{unit}: systemd-analyze verify:", *ours]))
    threshold = str(round(MOST_EXPOSED * 10))
    report = run(["systemd-analyze", "security", "--offline=true", f"--threshold={threshold}", str(unit)])
    exposure = _EXPOSURE.search(report)
    if exposure is None or float(exposure[1]) > MOST_EXPOSED:
        raise NotReleasable(f"{unit}: systemd-analyze security: {exposure and exposure[1]}, more than {MOST_EXPOSED}")
    return f"exposure {exposure[1]} of 10"


def check_odd_places(shipped: Path, workshop: Path) -> str:
    """Have systemd read a unit with a program whose path means something to it."""
    program = workshop / "odd $HOME%n place" / "wcsd"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    state = workshop / "odd $HOME%n state"
    odd = Installation(program=program, documents=program.parent, config=state / "a.conf", state=state)
    tried = workshop / "odd" / "wcsd.service"
    tried.parent.mkdir()
    tried.write_text(fitted_unit(shipped.read_text(), odd, Settings()))
    return verify(tried)


def check_sysusers(file: Path) -> None:
    """Let systemd-sysusers say what it would do."""
    told = run(["systemd-sysusers", "--dry-run", str(file)])
    if "wcsd" not in told and "wcsd:" not in Path("/etc/passwd").read_text():
        raise NotReleasable(f"{file}: makes no user wcsd: {told}")


def check_sysctl(file: Path) -> None:
    """Every line sets a number."""
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    if wrong := [line for line in lines if not _SYSCTL.fullmatch(line)]:
        raise NotReleasable(f"{file}: {wrong[0]!r}")

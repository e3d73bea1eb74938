"""Checks of the wheel: what is in it, what it needs, whether the same commit makes the same one."""

import zipfile
from collections.abc import Iterable
from email.parser import Parser
from pathlib import Path

from attrs import evolve
from packaging.requirements import Requirement

from tests.release.artefacts import Release, git
from tests.release.changelog import NotReleasable

PACKAGES = ("actors/", "config/", "protocol/")
DOCS = ("docs/", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "SECURITY.md")
DOC_FOLDER = "share/doc/wcsd"
PROGRAMS = {"wcsd": "wcsd_start:run_wcsd", "wcs": "wcsd_start:run_wcs"}


def check_contents(release: Release, checkout: Path) -> str:
    """Every committed file of the packages and the documentation is in the wheel, and nothing else."""
    committed = git(checkout, "ls-tree", "-r", "--name-only", release.commit).decode().splitlines()
    documents = f"wcsd-{release.version}.data/data/{DOC_FOLDER}/"
    wanted = {"wcsd_start.py", *(name for name in committed if name.startswith(PACKAGES))}
    wanted |= {documents + name for name in committed if name.startswith(DOCS)}
    with zipfile.ZipFile(release.wheel) as wheel:
        found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    for what, names in (("lacks", wanted - found), ("has besides", found - wanted)):
        if names:
            raise NotReleasable(f"{release.wheel.name} {what}: {', '.join(sorted(names))}")
    return f"{len(found)} files, {release.wheel.stat().st_size // 1000} kB"


def check_metadata(release: Release, lock: str) -> str:
    """Its version, its programs, and that it needs exactly the versions of the lock."""
    with zipfile.ZipFile(release.wheel) as wheel:
        folder = f"wcsd-{release.version}.dist-info"
        metadata = Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
        programs = wheel.read(f"{folder}/entry_points.txt").decode()
    if metadata["Version"] != release.version:
        raise NotReleasable(f"{release.wheel.name} says that it is version {metadata['Version']}")
    needed = _normalised(metadata.get_all("Requires-Dist", ()))
    pinned = _normalised(line.rstrip("\\ ") for line in lock.splitlines() if line[:1].isalnum())
    if needed != pinned:
        raise NotReleasable(f"{release.wheel.name} and requirements.txt differ: {', '.join(sorted(needed ^ pinned))}")
    for name, target in PROGRAMS.items():
        if f"{name} = {target}\n" not in programs:
            raise NotReleasable(f"{release.wheel.name} has no program {name}")
    return f"{len(needed)} pinned dependencies"


def check_again(release: Release, checkout: Path, workshop: Path) -> None:
    """The same commit makes the same wheel, byte for byte."""
    second = evolve(release, target=workshop / "again")
    sources = workshop / "sources"
    sources.mkdir()
    second.build_wheel(second.archive(checkout), sources)
    if second.wheel.read_bytes() != release.wheel.read_bytes():
        raise NotReleasable(f"{release.wheel.name}: built again, it is another file")


def _normalised(requirements: Iterable[str]) -> set[str]:
    return {str(Requirement(text)) for text in requirements}

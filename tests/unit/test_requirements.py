"""Each lock holds for every Python that the server runs on, not for the one alone on which it was made.

Markers are evaluated for each Python over what the installed packages say that they need. What only another Python
installs cannot be looked into here.
"""

import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import cast

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11.2", "3.11.7", "3.12.1", "3.13.0", "3.13.5")
"""Debian 12 has the first one, Debian 13 the last one."""
LOCKS = ("requirements.txt", "requirements-test.txt")


def applies(marker: Marker | None, python: str, extra: str = "") -> bool:
    """Whether a requirement with this marker counts for a CPython of that version on Linux."""
    if marker is None:
        return True
    minor = ".".join(python.split(".")[:2])
    names = {"python_version": minor, "python_full_version": python, "implementation_version": python}
    return marker.evaluate({**cast(dict[str, str], default_environment()), **names, "extra": extra})


def read_lock(name: str, python: str) -> dict[str, str]:
    """The version of each package that the lock gives this Python."""
    lines = [line.removesuffix("\\") for line in (ROOT / name).read_text().splitlines() if re.match(r"\w", line)]
    pins = [pin for pin in map(Requirement, lines) if applies(pin.marker, python)]
    assert all(str(pin.specifier).startswith("==") for pin in pins)
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}


def read_inputs(name: str) -> Iterator[Requirement]:
    for line in (ROOT / name).read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r"):
            yield from read_inputs(text.split()[1])
        elif text and not text.startswith("-"):
            yield Requirement(text)


def needs(requirement: Requirement, python: str) -> Iterator[Requirement]:
    """What the package, with the extras that are asked for, needs on that Python; nothing if it is not installed."""
    try:
        texts = distribution(requirement.name).requires or []
    except PackageNotFoundError:
        return
    for need in map(Requirement, texts):
        if any(applies(need.marker, python, extra) for extra in ("", *requirement.extras)):
            yield need


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_all_that_is_needed(lock: str, python: str) -> None:
    pins = read_lock(lock, python)
    open_ends, seen = list(read_inputs(lock.replace(".txt", ".in"))), set[str]()
    while open_ends:
        requirement = open_ends.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        pin = pins.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement} is not in {lock}, and Python {python} needs it"
        assert requirement.specifier.contains(pin, prereleases=True), f"{lock} has {pin} for {requirement}"
        open_ends.extend(needs(requirement, python))


@pytest.mark.parametrize("python", PYTHONS)
def test_every_package_allows_every_python(python: str) -> None:
    for name, version in read_lock("requirements-test.txt", python).items():
        try:
            metadata = distribution(name).metadata
        except PackageNotFoundError:
            continue
        allowed = SpecifierSet(",".join(metadata.get_all("Requires-Python") or ()))
        assert allowed.contains(python), f"{name} {version} is for Python {allowed}"


def test_all_locks_agree() -> None:
    server, tests = (read_lock(lock, PYTHONS[0]) for lock in LOCKS)
    assert server.items() <= tests.items()

"""The built wheel, installed in an empty environment away from the checkout."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers.server_process import FREE_PORTS

CHECKOUT = Path(__file__).resolve().parents[3]
DOCUMENTS = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "SECURITY.md")
FILES = ("pyproject.toml", "setup.py", "wcsd_start.py", "requirements.txt")
PARTS = ("actors", "config", "protocol", "docs", *FILES, *DOCUMENTS)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An environment with the wheel in it; the libraries come from the test environment, nothing is downloaded."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = _build(folder / "source", folder / "dist")
    environment = folder / "environment"
    _run(sys.executable, "-m", "venv", "--without-pip", str(environment))
    python = environment / "bin" / "python"
    _run(sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel))
    packages = next((environment / "lib").glob("python*")) / "site-packages"
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    yield environment
    shutil.rmtree(folder)


def _build(source: Path, target: Path) -> Path:
    source.mkdir()
    for part in PARTS:
        if (CHECKOUT / part).is_dir():
            shutil.copytree(CHECKOUT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(CHECKOUT / part, source / part)
    command = ("-m", "pip", "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(target))
    _run(sys.executable, *command, str(source))
    (wheel,) = target.iterdir()
    return wheel


def _run(*command: str, cwd: Path = Path("/")) -> str:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ended = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_wcsd_checks_its_settings(environment: Path) -> None:
    out = _run(
        str(environment / "bin" / "wcsd"),
        "--check-config",
        *(f"--set={key}={port}" for key, port in FREE_PORTS.items()),
    )
    assert out == "/etc/wcsd/flashphoner.properties: settings are good\n"


def test_wcs_helps(environment: Path) -> None:
    assert _run(str(environment / "bin" / "wcs"), "--help").startswith("usage: wcs")


def test_every_file_of_the_packages_is_there(environment: Path) -> None:
    installed = next((environment / "lib").glob("python*")) / "site-packages"
    documents = environment / "share/doc/wcsd"
    assert [name for name in DOCUMENTS if not (documents / name).exists()] == []
    for package in ("actors", "config", "protocol", "docs"):
        folder = documents if package == "docs" else installed
        files = [path.relative_to(CHECKOUT) for path in (CHECKOUT / package).rglob("*") if path.is_file()]
        missing = [path for path in files if "__pycache__" not in path.parts and not (folder / path).exists()]
        assert missing == []


def test_it_needs_the_versions_that_are_tested_together(environment: Path) -> None:
    (metadata,) = environment.glob("lib/python*/site-packages/wcsd-*.dist-info/METADATA")
    needed = re.findall(r"^Requires-Dist: ([a-z0-9.-]+)==", metadata.read_text(), re.MULTILINE)
    pinned = re.findall(r"^([a-z0-9.-]+)==", (CHECKOUT / "requirements.txt").read_text(), re.MULTILINE)
    assert needed == pinned


@pytest.mark.parametrize("program", ["wcsd", "wcs"])
@pytest.mark.parametrize("package", ["actors", "config", "protocol"])
def test_a_foreign_package_of_the_same_name_ends_the_start(
    environment: Path, tmp_path: Path, program: str, package: str
) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    ended = _start(environment / "bin" / program, PYTHONPATH=str(tmp_path))
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{program}: cannot start: package '{package}' is found in {tmp_path / package}, ")
    assert ended.stderr.count("\n") == 1


def test_a_package_that_another_project_has_overwritten_ends_the_start(environment: Path) -> None:
    file = next(environment.glob("lib/python*/site-packages/config/__init__.py"))
    ours = file.read_text()
    file.write_text("raise RuntimeError\n")
    ended = _start(environment / "bin/wcsd")
    file.write_text(ours)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"wcsd: cannot start: package 'config' in {file.parent} was overwritten")


def _start(program: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run([program, "--version"], env=inherited | variables, capture_output=True, text=True)

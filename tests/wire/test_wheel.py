"""The built wheel, installed in an empty environment away from the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server_process import FREE_PORTS

CHECKOUT = Path(__file__).resolve().parents[2]
PARTS = ("actors", "config", "protocol", "pyproject.toml", "requirements.in", "README.md", "LICENSE")


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
    for package in ("actors", "config", "protocol"):
        files = [path.relative_to(CHECKOUT) for path in (CHECKOUT / package).rglob("*") if path.is_file()]
        missing = [path for path in files if "__pycache__" not in path.parts and not (installed / path).exists()]
        assert missing == []

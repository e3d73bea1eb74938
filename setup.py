"""What pyproject.toml cannot say: the wheel needs the versions that are tested together, those of requirements.txt."""

import re
from pathlib import Path

from setuptools import setup


def pinned(lock: str) -> list[str]:
    """The requirements of a lock, without their hashes."""
    lines = (line.removesuffix("\\").strip() for line in lock.splitlines())
    return [line for line in lines if re.match(r"[A-Za-z0-9]", line)]


setup(install_requires=pinned(Path(__file__).with_name("requirements.txt").read_text("utf-8")))

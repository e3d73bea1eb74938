"""How a program of `actors.workers.programs` becomes a process of the server."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import trio

import actors

_PACKAGES: Final = Path(actors.__file__).resolve().parents[1]
_KEPT: Final = ("PATH", "LANG", "LC_ALL", "TZ")
"""What it gets of the environment; no secret is there."""


async def start_program(
    name: str, descriptors: Sequence[int] = (), *arguments: str, stdin: int = subprocess.PIPE
) -> trio.Process:
    """Start the program, with pipes for its standard streams. `stdin`: another descriptor for that. Raises OSError."""
    return await trio.lowlevel.open_process(
        [sys.executable, "-P", "-B", "-m", f"actors.workers.programs.{name}", *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=descriptors,
        env={key: os.environ[key] for key in _KEPT if key in os.environ} | {"PYTHONPATH": str(_PACKAGES)},
    )

"""A server without a cluster does not load what only a cluster needs."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import sys
import actors.server
print(sorted(name for name in sys.modules if name.startswith(("coredis", "actors.cluster"))))
"""


def test_coredis_is_loaded_only_for_a_cluster() -> None:
    done = subprocess.run([sys.executable, "-P", "-c", PROGRAM], env={"PYTHONPATH": str(ROOT)}, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    loaded = done.stdout.decode()
    assert "coredis" not in loaded
    assert "actors.cluster" not in loaded

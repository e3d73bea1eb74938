"""What breaks in a cluster, with real leases, and what takes longer than a ring has time for. Some minutes."""

import os
import sys

import pytest

WIRE = ("breaks", "clock", "failover", "link", "partial")
FILES = ("tests/breaks", *(f"tests/wire/cluster/test_cluster_{name}.py" for name in WIRE))

if __name__ == "__main__":
    os.environ["WCSD_REAL_TIMES"] = "1"  # before anything of the tests is imported
    sys.exit(pytest.main(["-q", *FILES, *sys.argv[1:]]))

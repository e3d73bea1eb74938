"""Tests that only root can run. For anybody else they are left out by name, and the summary says so."""

import os
from typing import Final

import pytest

NEEDS_ROOT: Final = "needs root"
"""The reason that such a test is skipped for; no other skip passes."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason=NEEDS_ROOT)

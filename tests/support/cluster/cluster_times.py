"""Clusters in which leases run out in a quarter of the time: beats every half second, leases of one and a half.

With WCSD_REAL_TIMES in the environment they are those of a real cluster (`bin/test long breaks`).
"""

import os
from typing import Final

import pytest

from actors.cluster.registry.redis_registry import RedisRegistry
from protocol.cluster import members

IS_REAL: Final = "WCSD_REAL_TIMES" in os.environ
SCALE: Final = 1.0 if IS_REAL else 0.25
LEASE: Final = members.LEASE * SCALE
IDLE_BEAT: Final = max(members.BEAT_INTERVAL * SCALE, 1.5)
"""Half of what connections may be idle: coredis lets an idle subscription be for a second before it looks again."""


@pytest.fixture
def quick_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """See above."""
    beat = members.BEAT_INTERVAL * SCALE
    for module in ("membership", "registry.redis_registry"):
        monkeypatch.setattr(f"actors.cluster.{module}.BEAT_INTERVAL", beat)
    monkeypatch.setattr("actors.cluster.registry.redis_client.BEAT_INTERVAL", IDLE_BEAT)
    monkeypatch.setattr(members, "LEASE", LEASE)
    defaults = RedisRegistry.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "lease", LEASE)

"""What the tests of clusters in memory begin with."""

from collections.abc import AsyncIterator

import pytest
import trio

from tests.support.cluster.growing_world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with trio.open_nursery() as nursery:
        yield World(nursery)
        nursery.cancel_scope.cancel()

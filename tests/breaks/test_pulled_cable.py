"""Two machines, as network namespaces, and the cable between them is pulled, or passes one way only, or little."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from protocol.cluster.members import LEASE
from tests.support.cluster.two_nodes import refused, until_news
from tests.support.network.cabled_machines import AWAY, HOME, Machines, two_machines
from tests.support.root import needs_root

SMALL_MTU = 1280
"""The least that IPv6 allows (RFC 8200 section 5); tunnels often have no more."""
LARGE = bytes(1400)
"""Of a camera's packet, which is larger than the cable takes in one piece."""


@needs_root
@pytest.mark.parametrize(
    ("break_it", "mend_it"),
    [
        (lambda it: it.home.pull_cable(), lambda it: it.home.plug_cable()),
        (lambda it: it.home.block(AWAY), lambda it: it.home.unblock(AWAY)),
        (lambda it: it.away.block(HOME), lambda it: it.away.unblock(HOME)),
    ],
    ids=["neither way", "nothing to the node", "nothing from the node"],
)
async def test_a_node_that_is_cut_off_serves_its_own_pages_and_yields_what_others_took(
    tmp_path: Path, break_it: Callable[[Machines], None], mend_it: Callable[[Machines], None]
) -> None:
    async with two_machines(tmp_path) as machines:
        a, b = machines.a, machines.b
        taken, kept = await b.publish("taken"), await b.publish("kept")
        here, there = await b.play("kept"), await a.play("kept")
        await until_news(kept, there, b"before")
        break_it(machines)
        await trio.sleep(LEASE + 1)
        assert (await there.status("FAILED"))["info"] == "Failed to connect to origin stream"
        await until_news(kept, here, b"during")
        mine = await a.publish("taken")
        mend_it(machines)
        assert (await taken.status("FAILED"))["info"] == "Stream name is already in use"
        assert await refused(a.page, "publishStream", "kept") == "Stream name is already in use"
        await until_news(kept, await a.play("kept"), b"after")
        assert mine.statuses == kept.statuses == [("PUBLISHING", None)]


@needs_root
async def test_large_packets_pass_where_little_passes_in_one_piece(tmp_path: Path) -> None:
    """Between the nodes, and from a node to a page and back."""
    async with two_machines(tmp_path, mtu=SMALL_MTU) as machines:
        page = await machines.far_page()
        news = await machines.b.publish("news")
        for player in (await machines.a.play("news"), await page.play("news")):
            await until_news(news, player, LARGE)
        back = await page.publish("back")
        await until_news(back, await machines.b.play("back"), LARGE)

"""A node that neither Redis nor the other node can reach, silently."""

from pathlib import Path

import trio

from tests.support.nat import Nat
from tests.wire.test_cluster_breaks import flows, parted, until


async def test_a_node_that_is_parted_from_redis_and_from_the_other_node_serves_its_own_pages(tmp_path: Path) -> None:
    async with parted(tmp_path, cluster_relay_address="127.0.0.2") as pair:
        ((host, port),) = pair.b.server.parts.plane.addresses
        media = Nat(("127.0.0.2", port), server=(host, port), outside=host)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(media.run)
            news = await pair.two.publish("news")
            here, there = await pair.two.play("news"), await pair.one.play("news")
            await flows(news, there, b"before")
            pair.way.cut()
            media.cut = True
            assert (await there.status("FAILED"))["info"] == "Failed to connect to origin stream"
            await flows(news, here, b"during")
            pair.way.mend()
            media.cut = False
            await until(lambda: pair.is_whole)
            await flows(news, await pair.one.play("news"), b"after")
            assert news.statuses == [("PUBLISHING", None)]
            nursery.cancel_scope.cancel()

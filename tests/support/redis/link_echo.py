"""A link to Redis, and a call over it whose answer is known."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from actors.cluster.registry.link import Call, ClusterLink
from actors.runtime.actor import SHUTDOWN
from protocol.cluster.redis_url import parse_redis_url
from protocol.cluster.scripts import Script
from tests.support.session.wcs_client import PATIENCE

ECHO = Script(text="return ARGV[1]", keys=("wcs:nodes",))


async def echo(link: ClusterLink, text: str = "x") -> str:
    reply: bytes = await link.ask(Call(script=ECHO, arguments=(text,)), timeout=PATIENCE)
    return reply.decode()


@asynccontextmanager
async def link_to(url: str, *, timeout: float = PATIENCE) -> AsyncIterator[ClusterLink]:
    async with trio.open_nursery() as nursery:
        link = ClusterLink(parse_redis_url(url), timeout=timeout)
        nursery.start_soon(link.run)
        yield link
        link.stop(SHUTDOWN)

"""What the tests of the REST server on real sockets share."""

import trio

from protocol.node.descriptions import StreamDescription
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found, Page
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_server import WebServer

FIND = "/rest-api/stream/find_all"
TERMINATE = "/rest-api/stream/terminate"
LIMIT = 60.0
"""Seconds after which a test is given up; nothing here should need one."""


class BrokenWorld(StreamWorld):
    """A world with a fault in it."""

    async def find(self, query: StreamFilter, page: Page, *, traffic: bool) -> Found[StreamDescription]:
        raise ZeroDivisionError("a fault of ours")


async def is_alive(server: WebServer) -> bool:
    with trio.fail_after(LIMIT):
        client = await server.connect()
        await client.send("GET /healthz HTTP/1.1")
        return (await client.answer()).status == 200

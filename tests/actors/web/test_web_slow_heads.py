"""How long a client may take to send the head of a request, however steadily it drips."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from starlette.responses import Response
from trio.testing import MockClock

from actors.web.http.connection import IDLE_TIMEOUT
from config.settings import Settings
from tests.support.web.memory_http import MemoryHttp

LIMIT = 10.0
HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
REQUEST = HEAD + b"\r\n"


@asynccontextmanager
async def connection() -> AsyncIterator[MemoryHttp]:
    http = MemoryHttp(Response(), Settings(rest_body_timeout=LIMIT))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(http.run)
        yield http
        await http.client.aclose()


async def drip(http: MemoryHttp, data: bytes) -> float:
    """Send a byte each second, for ever; for how many seconds that went well."""
    began = trio.current_time()
    for number in range(1_000):
        try:
            await http.client.send_all(data[number % len(data) :][:1])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            break
        await trio.sleep(1)
    assert http.ended_at is not None
    return http.ended_at - began


@pytest.mark.parametrize("data", [HEAD, b"\r\n", b"\r"])
async def test_the_first_head_has_its_time_as_a_whole(autojump_clock: MockClock, data: bytes) -> None:
    async with connection() as http:
        assert await drip(http, data) == pytest.approx(LIMIT)


async def answered(http: MemoryHttp) -> None:
    received = b""
    while b"\r\n\r\n" not in received:
        received += bytes(await http.client.receive_some())
    assert received.startswith(b"HTTP/1.1 200 ")


async def test_so_has_each_later_one_from_its_first_byte(autojump_clock: MockClock) -> None:
    async with connection() as http:
        await http.client.send_all(REQUEST)
        await answered(http)
        await trio.sleep(LIMIT + 5)
        assert await drip(http, HEAD) == pytest.approx(LIMIT)


async def test_so_has_one_whose_beginning_came_with_the_request_before_it(autojump_clock: MockClock) -> None:
    async with connection() as http:
        await http.client.send_all(REQUEST + HEAD[:5])
        await answered(http)
        assert await drip(http, HEAD[5:]) == pytest.approx(LIMIT)


async def test_empty_lines_between_requests_do_not_keep_a_connection_open(autojump_clock: MockClock) -> None:
    async with connection() as http:
        await http.client.send_all(REQUEST)
        await answered(http)
        assert await drip(http, b"\r\n") <= IDLE_TIMEOUT

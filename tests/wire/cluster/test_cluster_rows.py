"""The shared tables of a cluster: the same outcomes in memory, as tests use it, and in each Redis that is installed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from actors.cluster.registry.link import ClusterLink
from actors.cluster.registry.redis_registry import RedisRegistry
from actors.cluster.registry.rows import RowRegistry
from actors.runtime.actor import SHUTDOWN
from protocol.cluster.redis_url import parse_redis_url
from protocol.cluster.rows import MOST_ROWS_AT_ONCE, NEVER_SHARED, RowName, RowPage, SharedRow
from tests.support.redis.redis_server import POLL, redis_server
from tests.support.redis.registry_worlds import PATIENCE, WORLDS

ONE, TWO, OTHER = RowName("apps", "one"), RowName("apps", "two"), RowName("bans", "one")
BOOT = "first"
SAID = "changed"


@pytest.fixture(params=WORLDS)
async def rows(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RowRegistry]:
    async with WORLDS[request.param](tmp_path) as connect:
        registry = connect("x").rows
        await registry.read(0, boot=BOOT)
        yield registry


async def change(rows: RowRegistry, place: int, name: RowName = ONE, text: str | None = "text") -> int:
    """The version of the row that is written."""
    written = await rows.change(name.table, [(name, SharedRow(text=text))], boot=BOOT, place=place, message=SAID)
    assert not written.is_behind
    assert not written.is_lost
    return written.version


async def merge(rows: RowRegistry, *given: tuple[RowName, SharedRow]) -> None:
    assert not (await rows.merge(given, boot=BOOT, message=SAID)).is_lost


async def texts(rows: RowRegistry) -> dict[RowName, str | None]:
    return {name: row.text for name, row in (await rows.read(0, boot="")).rows}


async def test_what_is_changed_is_read_once_and_in_its_order(rows: RowRegistry) -> None:
    assert (await rows.read(0, boot="second")) == RowPage(boot=BOOT)
    first = await change(rows, 0)
    page = await rows.read(0, boot="")
    assert page == RowPage(boot=BOOT, rows=((ONE, SharedRow(text="text", version=first)),), place=first)
    second = await change(rows, page.place, TWO, "é\n\x00 \U0001f600")
    assert second > first
    assert (await rows.read(page.place, boot="")).rows == ((TWO, SharedRow(text="é\n\x00 \U0001f600", version=second)),)
    assert not (await rows.read(second, boot="")).rows


async def test_a_table_that_somebody_else_has_changed_is_not_written(rows: RowRegistry) -> None:
    version = await change(rows, 0)
    behind = await rows.change("apps", [(TWO, SharedRow(text="x"))], boot=BOOT, place=0, message=SAID)
    assert behind.is_behind
    assert set(await texts(rows)) == {ONE}
    await change(rows, 0, OTHER)
    await change(rows, version, TWO)


async def test_after_everything_is_lost_nothing_is_written_until_it_is_known(rows: RowRegistry) -> None:
    written = await rows.change("apps", [(ONE, SharedRow(text="x"))], boot="before", place=0, message=SAID)
    assert written.is_lost
    assert (await rows.merge([(ONE, SharedRow(text="x", version=5))], boot="before", message=SAID)).is_lost
    assert not await texts(rows)


async def test_of_two_versions_of_a_row_the_higher_one_is_there_whatever_comes_first(rows: RowRegistry) -> None:
    old, new = SharedRow(text="old", version=5), SharedRow(text="new", version=6)
    await merge(rows, (ONE, new), (TWO, old))
    await merge(rows, (ONE, old), (TWO, new))
    assert await texts(rows) == {ONE: "new", TWO: "new"}
    removed = SharedRow(text=None, version=7)
    await merge(rows, (ONE, removed))
    await merge(rows, (ONE, new))
    assert await texts(rows) == {ONE: None, TWO: "new"}
    await merge(rows, (TWO, SharedRow(text="newer", version=6)), (TWO, SharedRow(text="nearer", version=6)))
    assert (await texts(rows))[TWO] == "newer", "equal versions are decided in the same way everywhere"


async def test_a_row_that_was_never_shared_gives_way_and_else_gets_a_version(rows: RowRegistry) -> None:
    version = await change(rows, 0)
    never = SharedRow(text="mine", version=NEVER_SHARED)
    await merge(rows, (ONE, never), (TWO, never))
    found = dict((await rows.read(0, boot="")).rows)
    assert found[ONE] == SharedRow(text="text", version=version)
    assert found[TWO].text == "mine"
    assert found[TWO].version > version
    await change(rows, (await rows.read(0, boot="")).place, ONE, None)
    await merge(rows, (ONE, never))
    assert (await texts(rows))[ONE] is None, "a removed row does not come back"


async def test_a_later_change_has_a_higher_version_than_what_was_merged(rows: RowRegistry) -> None:
    far = 9_000_000_000_000
    await merge(rows, (ONE, SharedRow(text="future", version=far)))
    place = (await rows.read(0, boot="")).place
    assert await change(rows, place) > far


async def test_many_rows_are_read_page_by_page(rows: RowRegistry) -> None:
    given = [(RowName("apps", str(number)), SharedRow(text="x", version=1)) for number in range(MOST_ROWS_AT_ONCE)]
    await merge(rows, *given, (ONE, SharedRow(text="last", version=1)))
    page = await rows.read(0, boot="")
    assert not page.is_last
    rest = await rows.read(page.place, boot="")
    assert ([name for name, _ in rest.rows], rest.is_last) == ([ONE], True)


async def test_of_those_who_take_a_row_one_gets_it(rows: RowRegistry) -> None:
    await merge(rows, (ONE, SharedRow(text="secret", version=1)))
    assert [await rows.take(ONE, message=SAID) for _ in range(2)] == ["secret", None]
    assert await rows.take(TWO, message=SAID) is None
    assert await texts(rows) == {ONE: None}


async def test_a_row_is_gone_when_its_time_is_over(rows: RowRegistry) -> None:
    version = await change(rows, 0)
    await merge(rows, (TWO, SharedRow(text="short", version=1, expires=version + 50)))
    with trio.fail_after(PATIENCE):
        while TWO in await texts(rows):
            await merge(rows)
            await trio.sleep(POLL)
    assert ONE in await texts(rows)


async def test_a_row_that_is_none_hinders_no_other(tmp_path: Path) -> None:
    """Another program has written to the hash."""
    async with redis_server(tmp_path) as server, trio.open_nursery() as nursery:
        link = ClusterLink(parse_redis_url(server.url), timeout=PATIENCE)
        nursery.start_soon(link.run)
        rows = RedisRegistry(link).rows
        await rows.read(0, boot=BOOT)
        await change(rows, 0, ONE)
        await server.command("HSET", "wcs:rows", '"apps two"', "garbage")
        await server.command("ZADD", "wcs:rows:order", "1", '"apps two"')
        await server.command("HSET", "wcs:rows", '"bans one"', '""')
        page = await rows.read(0, boot="")
        assert [name for name, _ in page.rows] == [ONE]
        assert page.faulty == (TWO,)
        assert await rows.take(TWO, message=SAID) is None
        await merge(rows, (OTHER, SharedRow(text="x", version=5)), (TWO, SharedRow(text="mended", version=5)))
        assert await texts(rows) == {ONE: "text", TWO: "mended", OTHER: "x"}
        link.stop(SHUTDOWN)

"""The registry of a cluster: the same outcomes in memory, as tests use it, and in each Redis that is installed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from actors.cluster.registry.registry import Registry, RegistryUnavailable
from protocol.cluster.claims import BatchFate, ClaimSpace, Holder, Named
from tests.support.redis.redis_server import POLL
from tests.support.redis.registry_batches import INFO, ONE, OTHER, batch, done, joined
from tests.support.redis.registry_worlds import PATIENCE, WORLDS, Connect

SHORT = 0.05


@pytest.fixture(params=WORLDS)
async def connect(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Connect]:
    async with WORLDS[request.param](tmp_path) as opened:
        yield opened


async def until_dead(registry: Registry, name: str) -> None:
    """Wait until the lease of the holder of `name` is over."""
    with trio.fail_after(PATIENCE):
        while await registry.locate(name) is not None:  # noqa: ASYNC110 - Redis tells no one
            await trio.sleep(POLL)


async def test_a_beat_tells_who_is_alive_and_what_they_say_of_themselves(connect: Connect) -> None:
    registry = connect("x")
    first, second = await joined(registry, "a"), await joined(registry, "b")
    beat = await registry.beat(member=first, place="here", info=INFO, boot="one")
    assert {member.name for member in beat.members} == {first, second}
    assert {member.info.node_id for member in beat.members} == {"shown"}
    assert beat.kept
    assert (beat.names, beat.last_log_id, beat.swept) == (0, "0-0", 0)
    again = await registry.beat(member=second, place="here", info=INFO, boot="two")
    assert again.boot == beat.boot
    assert "one" in beat.boot


async def test_each_start_has_a_later_epoch_and_ends_an_earlier_one_at_its_place(connect: Connect) -> None:
    registry = connect("x")
    first = await joined(registry)
    copied = await joined(registry, place="there")
    latest = await joined(registry)
    assert int(first.split("/")[1]) < int(copied.split("/")[1]) < int(latest.split("/")[1])
    beat = await registry.beat(member=latest, place="here", info=INFO, boot="")
    assert {member.name for member in beat.members} == {copied, latest}


async def test_a_name_has_one_holder(connect: Connect) -> None:
    registry = connect("x")
    mine, yours = await joined(registry, "a"), await joined(registry, "b")
    assert await registry.write(mine, batch(1, ONE, Named("more", "m"))) == done(None, None)
    holder = Holder(mine, "id 1")
    assert await registry.write(yours, batch(1, OTHER, Named("free", "f"))) == done(holder, None)
    assert await registry.locate("news") == holder
    assert await registry.locate("nothing") is None
    assert await registry.write(mine, batch(2, ONE)) == done(None), "to claim it again is no conflict"


async def test_what_is_released_is_free_and_nothing_else(connect: Connect) -> None:
    registry = connect("x")
    mine, yours = await joined(registry, "a"), await joined(registry, "b")
    await registry.write(mine, batch(1, ONE))
    assert await registry.write(yours, batch(1, releases=(ONE,))) == done()
    assert await registry.write(mine, batch(2, releases=(OTHER,))) == done()
    assert await registry.locate("news") == Holder(mine, "id 1")
    assert await registry.write(mine, batch(3, OTHER, releases=(ONE,))) == done(None)
    assert await registry.locate("news") == Holder(mine, "id 2")


async def test_a_batch_that_comes_late_changes_nothing(connect: Connect) -> None:
    registry = connect("x")
    mine = await joined(registry)
    await registry.write(mine, batch(2, releases=(ONE,)))
    assert (await registry.write(mine, batch(1, ONE))).fate is BatchFate.STALE
    assert await registry.locate("news") is None


async def test_a_member_without_a_lease_claims_nothing_and_its_names_are_free(connect: Connect) -> None:
    dead, registry = connect("dead", lease=SHORT), connect("x")
    gone, mine = await joined(dead, "a"), await joined(registry, "b")
    while (await dead.write(gone, batch(1, ONE))).fate is not BatchFate.DONE:  # a machine may be this slow
        gone = await joined(dead, "a")
    await until_dead(registry, "news")
    assert (await dead.write(gone, batch(2, Named("other", "o")))).fate is BatchFate.FENCED
    assert await registry.write(mine, batch(1, OTHER)) == done(None)
    beat = await registry.beat(member=gone, place="here", info=INFO, boot="")
    assert not beat.kept
    assert await dead.write(gone, batch(3, ONE)) == done(Holder(mine, "id 2"))


async def test_the_names_of_members_that_are_gone_for_long_are_removed(connect: Connect) -> None:
    dead, registry = connect("dead", lease=SHORT), connect("x", sweep_after=SHORT)
    gone, mine = await joined(dead, "a"), await joined(registry, "b")
    while (await dead.write(gone, batch(1, ONE))).fate is not BatchFate.DONE:
        gone = await joined(dead, "a")
    await registry.write(mine, batch(1, Named("mine", "m")))
    swept = 0
    with trio.fail_after(PATIENCE):
        while not swept:
            swept = (await registry.beat(member=mine, place="here", info=INFO, boot="")).swept
    cursor = await registry.purge(0)
    while cursor:
        cursor = await registry.purge(cursor)
    assert (await registry.beat(member=mine, place="here", info=INFO, boot="")).names == 1


@pytest.mark.parametrize("has_left", [False, True], ids=["started again", "left"])
async def test_the_names_of_a_member_that_is_no_more_are_removed_at_once(connect: Connect, has_left: bool) -> None:
    """One that was killed and has started again at its place, or that left before it could give them back."""
    registry = connect("x")
    gone, mine = await joined(registry, "a"), await joined(registry, "b")
    for space in ClaimSpace:
        await registry.write(gone, batch(1, ONE), space=space)
    await registry.write(mine, batch(1, Named("mine", "m")))
    await (registry.leave(gone) if has_left else joined(registry, "a"))
    assert await registry.locate("news") is None
    beat = await registry.beat(member=mine, place="here", info=INFO, boot="")
    assert (beat.swept, gone in {member.name for member in beat.members}) == (1, False)
    for space in ClaimSpace:
        assert await registry.purge(0, space=space) == 0
    after = await registry.beat(member=mine, place="here", info=INFO, boot="")
    assert (after.swept, after.names) == (0, 1)


@pytest.mark.parametrize("space", [ClaimSpace.ROOMS, ClaimSpace.SINGLES])
async def test_rooms_and_singles_have_tables_of_their_own(connect: Connect, space: ClaimSpace) -> None:
    registry = connect("x")
    mine, yours = await joined(registry, "a"), await joined(registry, "b")
    assert await registry.write(mine, batch(1, ONE), space=space) == done(None)
    assert [await registry.locate("news", space=each) for each in ClaimSpace if each is not space] == [None, None]
    assert await registry.write(yours, batch(1, OTHER)) == done(None)
    assert await registry.write(yours, batch(1, OTHER), space=space) == done(Holder(mine, "id 1"))
    assert (await registry.write(yours, batch(1, OTHER), space=space)).fate is BatchFate.STALE
    assert await registry.locate("news", space=space) == Holder(mine, "id 1")
    assert await registry.locate("news") == Holder(yours, "id 2")
    await registry.leave(mine)
    assert await registry.locate("news", space=space) is None
    assert await registry.write(yours, batch(2, OTHER), space=space) == done(None)
    await registry.leave(yours)
    cursor = await registry.purge(0, space=space)
    while cursor:
        cursor = await registry.purge(cursor, space=space)
    third = await joined(registry, "c")
    beat = await registry.beat(member=third, place="here", info=INFO, boot="")
    assert beat.names == 1, "those of publications have been purged by nobody"


async def test_whoever_leaves_gives_all_names_free(connect: Connect) -> None:
    registry = connect("x")
    mine = await joined(registry)
    await registry.write(mine, batch(1, ONE))
    await registry.leave(mine)
    assert await registry.locate("news") is None


async def test_messages_reach_all_or_one_and_some_are_kept(connect: Connect) -> None:
    one, two = connect("one"), connect("two")
    mine, yours = await joined(one, "a"), await joined(two, "b")
    heard: dict[str, list[tuple[str | None, str]]] = {"one": [], "two": []}
    async with trio.open_nursery() as nursery:
        for name, client, member in (("one", one, mine), ("two", two, yours)):
            opened = trio.Event()
            nursery.start_soon(_listen, client, member, heard[name], opened)
            await opened.wait()
        sent = await one.send("to all", logged=True)
        await one.send("not kept", logged=False)
        await one.tell(yours, "to you")
        with trio.fail_after(PATIENCE):
            while len(heard["two"]) < 3 or len(heard["one"]) < 2:  # noqa: ASYNC110 - filled by a callback
                await trio.sleep(POLL)
        nursery.cancel_scope.cancel()
    assert set(sent.members) == {mine, yours}
    assert heard["one"] == [(sent.log_id, "to all"), (None, "not kept")]
    assert heard["two"] == [*heard["one"], (None, "to you")]
    (entry,) = await one.read_log("0-0")
    assert (entry.id, entry.text) == (sent.log_id, "to all")
    assert not await one.read_log(entry.id)
    assert (await one.beat(member=mine, place="here", info=INFO, boot="")).last_log_id == sent.log_id


async def _listen(registry: Registry, member: str, heard: list[tuple[str | None, str]], opened: trio.Event) -> None:
    with pytest.raises(RegistryUnavailable):
        await registry.listen(member, on_open=opened.set, on_message=lambda log_id, text: heard.append((log_id, text)))


async def test_names_may_hold_any_text(connect: Connect) -> None:
    registry = connect("x")
    mine = await joined(registry)
    odd = Named("a b\n\r\x00é\U0001f600 wcs:names", "  id\twith\nblanks ")
    assert await registry.write(mine, batch(1, odd)) == done(None)
    assert await registry.locate(odd.name) == Holder(mine, odd.media_session_id)
    assert await registry.write(mine, batch(2, releases=(odd,))) == done()
    assert await registry.locate(odd.name) is None

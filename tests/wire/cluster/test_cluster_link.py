"""The connection to Redis: what fails in coredis when Redis does, and that nothing of it stays."""

import signal
import socket
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import trio

from actors.cluster.registry.link import MOST_CALLS, Call, ClusterLink
from actors.cluster.registry.registry import RegistryUnavailable
from actors.runtime.actor import SHUTDOWN, ActorStopped
from protocol.cluster.scripts import Script
from tests.support.cluster.cluster_times import IS_REAL
from tests.support.redis.link_echo import ECHO, echo, link_to
from tests.support.redis.redis_proxy import redis_proxy
from tests.support.redis.redis_server import POLL, redis_server
from tests.support.session.wcs_client import PATIENCE

COUNT = Script(text="return redis.call('INCR', KEYS[1])", keys=("wcs:count",))
IMPATIENT = 100_000 if IS_REAL else 1000
"""How many ask and go away."""


async def count(link: ClusterLink) -> int:
    number: int = await link.ask(Call(script=COUNT, arguments=()), timeout=PATIENCE)
    return number


async def until_echoed(link: ClusterLink) -> None:
    with trio.fail_after(PATIENCE):
        while True:
            try:
                await echo(link)
            except RegistryUnavailable:
                await trio.sleep(POLL)
            else:
                return


async def test_those_who_ask_may_go_away_at_any_moment_and_nothing_of_it_stays(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, link_to(redis.url) as link:
        await echo(link)
        before = await _held()
        for number in range(IMPATIENT):
            with suppress(RegistryUnavailable), trio.move_on_after(0.0002 * (number % 10)):  # too many, if Redis pauses
                await echo(link, str(number))
        await until_echoed(link)
        assert await echo(link, "right") == "right"
        assert (link.clients, link.failures) == (1, 0)
        assert await _held() == before
        assert b"connected_clients:2\r\n" in await redis.command("INFO", "clients")


async def _held() -> tuple[int, int]:
    """Tasks and files of this process, when nothing is under way any more."""
    await trio.testing.wait_all_tasks_blocked(0.01)
    return trio.lowlevel.current_statistics().tasks_living, psutil.Process().num_fds()


async def test_a_place_in_the_pool_that_is_lost_costs_one_call(tmp_path: Path) -> None:
    """As coredis loses one with a command that was cancelled: nobody ever gives it back."""
    async with redis_server(tmp_path) as redis, link_to(redis.url, timeout=0.5) as link:
        await until_echoed(link)
        before = link.clients
        assert link._holder is not None
        await link._holder.client.connection_pool.get_connection()
        with pytest.raises(RegistryUnavailable):
            await echo(link)
        await until_echoed(link)
        assert link.clients > before


async def test_many_ask_at_a_time_over_one_connection(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, link_to(redis.url) as link:
        answers: set[int] = set()

        async def ask() -> None:
            answers.add(await count(link))

        async with trio.open_nursery() as nursery:
            for _ in range(MOST_CALLS // 2):
                nursery.start_soon(ask)
        assert answers == set(range(1, MOST_CALLS // 2 + 1))
        clients = await redis.command("INFO", "clients")
        assert b"connected_clients:2\r\n" in clients, "the link's, and the one that asks this"


async def test_it_works_again_after_redis_was_killed_as_often_as_it_is(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, link_to(redis.url) as link:
        for _ in range(3):
            assert await count(link) == 1
            redis.kill()
            with pytest.raises(RegistryUnavailable):
                await echo(link)
            await redis.start()
            await until_echoed(link)
        assert link.clients <= 1 + link.failures


async def test_a_redis_that_hangs_is_given_up_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, link_to(redis.url) as link:
        assert await count(link) == 1
        redis.signal(signal.SIGSTOP)
        link.timeout = 1.0
        for _ in range(2):
            with pytest.raises(RegistryUnavailable):
                await count(link)
        redis.resume()
        link.timeout = PATIENCE
        await until_echoed(link)
        assert await count(link) <= 4, "each of them once at most"


@pytest.mark.parametrize("pause", [("CLIENT", "PAUSE", "400", "ALL"), ("DEBUG", "SLEEP", "0.4")], ids=" ".join)
async def test_what_redis_gets_to_after_a_pause_is_done_once(tmp_path: Path, pause: tuple[str, ...]) -> None:
    async with redis_server(tmp_path) as redis, link_to(redis.url) as link:
        assert await count(link) == 1
        async with trio.open_nursery() as nursery:
            nursery.start_soon(redis.command, *pause)
            link.timeout = 0.1
            for _ in range(5):
                with suppress(RegistryUnavailable):
                    await count(link)
        link.timeout = PATIENCE
        await until_echoed(link)
        assert await count(link) <= 7
        assert link.clients <= 1 + link.failures


async def test_a_connection_that_is_closed_costs_one_call_at_most(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, link_to(redis.url) as link:
        await echo(link)
        for _ in range(5):
            await redis.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await until_echoed(link)
        assert link.failures <= 5


async def test_a_redis_that_was_never_there_fails_at_once(tmp_path: Path) -> None:
    async with link_to(f"unix://{tmp_path}/nothing.sock") as link:
        for _ in range(3):
            with pytest.raises(RegistryUnavailable):
                await echo(link)


async def test_an_error_of_a_script_is_told_and_the_connection_stays(tmp_path: Path) -> None:
    wrong = Script(text="return redis.call('GET')", keys=("wcs:nodes",))
    async with redis_server(tmp_path) as redis, link_to(redis.url) as link:
        with pytest.raises(RegistryUnavailable, match="Redis refuses"):
            await link.ask(Call(script=wrong, arguments=()), timeout=PATIENCE)
        assert await echo(link) == "x"
        assert link.clients == 1


async def test_a_redis_that_is_full_says_so_and_the_connection_stays(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, link_to(redis.url) as link:
        await redis.command("CONFIG", "SET", "maxmemory", "1")
        with pytest.raises(RegistryUnavailable, match=r"Redis refuses: .*maxmemory"):
            await count(link)
        await redis.command("CONFIG", "SET", "maxmemory", "0")
        assert await count(link) == 1
        assert link.clients == 1


async def test_a_redis_that_wants_a_password_says_so(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, link_to(redis.url) as link:
        await redis.command("CONFIG", "SET", "requirepass", "secret")
        with pytest.raises(RegistryUnavailable, match=r"it wants a password, and cluster\.redis_url has none"):
            await echo(link)


async def test_a_redis_that_is_too_old_is_called_so(tmp_path: Path) -> None:
    async with redis_server(tmp_path, options=("--rename-command", "HELLO", "''")) as redis, link_to(redis.url) as link:
        with pytest.raises(RegistryUnavailable, match="it is too old, Redis 7 or Valkey 8 is needed"):
            await echo(link)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("unix:///nothing.sock", "No such file or directory"),
        ("redis://127.0.0.1:1", "Connection refused"),
        ("redis://nothing.invalid", ""),  # as the system's resolver calls it
    ],
)
async def test_why_there_is_no_connection_is_told(url: str, why: str) -> None:
    async with link_to(url) as link:
        with pytest.raises(RegistryUnavailable, match=f"Unable to establish a connection to [^ ]+: .*{why}"):
            await echo(link)


async def test_a_redis_that_does_not_speak_tls_is_suspected_of_it() -> None:
    """It waits for the end of a command, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with link_to(f"rediss://127.0.0.1:{listener.getsockname()[1]}", timeout=0.2) as link:
            with pytest.raises(RegistryUnavailable, match=r"^no answer in time: does Redis speak TLS there\?$"):
                await echo(link)


async def test_too_many_calls_at_a_time_are_refused(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, link_to(redis.url) as link:
        await echo(link)
        redis.signal(signal.SIGSTOP)
        async with trio.open_nursery() as nursery:
            for _ in range(MOST_CALLS):
                nursery.start_soon(_ignoring, link)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(RegistryUnavailable, match="too many"):
                await echo(link)
            nursery.start_soon(_beat_ignoring, link)
            await trio.testing.wait_all_tasks_blocked()
            redis.resume()


async def test_those_who_call_in_one_turn_are_counted_too(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, link_to(redis.url) as link:
        await echo(link)
        refused = 0

        async def try_it() -> None:
            nonlocal refused
            try:
                await echo(link)
            except RegistryUnavailable:
                refused += 1

        async with trio.open_nursery() as nursery:
            for _ in range(MOST_CALLS + 10):
                nursery.start_soon(try_it)
        assert refused == 10


async def _ignoring(link: ClusterLink) -> None:
    await echo(link)


async def _beat_ignoring(link: ClusterLink) -> None:
    """It does not wait behind the others, and is not refused for them."""
    assert await link.ask(Call(script=ECHO, arguments=("beat",), is_urgent=True), timeout=PATIENCE) == b"beat"


async def test_a_redis_that_is_no_primary_any_more_is_left(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, link_to(redis.url) as link:
        assert await count(link) == 1
        await redis.command("REPLICAOF", "127.0.0.1", "1")
        for _ in range(2):
            with pytest.raises(RegistryUnavailable, match="ReadOnly"):
                await count(link)
        assert (link.failures, link.clients) == (2, 2), "each time the primary is looked for again"
        await redis.command("REPLICAOF", "NO", "ONE")
        assert await count(link) == 2


async def test_at_its_end_whoever_waits_is_answered(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, link_to(redis.url) as link:
        await echo(link)
        redis.signal(signal.SIGSTOP)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_refused, link)
            await trio.testing.wait_all_tasks_blocked()
            link.stop(SHUTDOWN)
        redis.resume()


async def _refused(link: ClusterLink) -> None:
    with pytest.raises((RegistryUnavailable, ActorStopped)):
        await echo(link)


async def test_a_black_hole_is_left(tmp_path: Path) -> None:
    """A connection over which nothing comes any more, and of which nobody says so."""
    async with redis_server(tmp_path) as redis, redis_proxy(redis) as way, link_to(way.url, timeout=1.0) as link:
        await until_echoed(link)
        way.cut()
        with pytest.raises(RegistryUnavailable):
            await echo(link)
        way.mend()
        await until_echoed(link)

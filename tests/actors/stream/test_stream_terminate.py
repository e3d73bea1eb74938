"""The end of streams that somebody else decides, and of streams that crash."""

import trio
import trio.testing
from trio.testing import MockClock

from actors.web.api.streams.streams import BY_REST
from protocol.node.filters import StreamFilter
from tests.support.session.signaling_rig import signaling_rig, stream_request

# -- terminate ----------------------------------------------------------------------------------------


async def test_terminate_stops_the_publication_and_its_players_at_once(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        await rig.publish(alice, "other", "p2")
        await rig.play(bob, "cam", "v1")
        match = rig.supervisor.terminate(StreamFilter(name="cam", status="PUBLISHING"), BY_REST)
        assert not rig.directory.is_announced("cam"), "the name is free before terminate returns"
        assert rig.plane.publications[0].closed, "and the media is closed"
        end = await alice.receive("notifyStreamStatusEvent", status="FAILED")
        assert (end["mediaSessionId"], end["info"]) == ("p1", "Stopped by rest /terminate")
        fallen = await bob.receive("notifyStreamStatusEvent", status="FAILED")
        assert (fallen["mediaSessionId"], fallen["info"]) == ("v1", "Stopped by publisher stop")
        assert await match.wait()
        assert rig.directory.is_announced("other")
        await rig.publish(alice, "cam", "p3")


async def test_terminate_overtakes_a_hook_that_hangs(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        rig.backend.gates["publishStream"] = trio.Event()
        alice, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        await trio.testing.wait_all_tasks_blocked()
        match = rig.supervisor.terminate(StreamFilter(), BY_REST)
        started = trio.current_time()
        end = await alice.receive("notifyStreamStatusEvent")
        assert (end["status"], end["info"]) == ("FAILED", "Stopped by rest /terminate")
        assert await match.wait()
        assert trio.current_time() - started < 1
        rig.backend.gates["publishStream"].set()


async def test_terminate_by_every_filter_of_the_vendors_page(autojump_clock: MockClock) -> None:
    filters = {
        StreamFilter(published=False): {"v1", "v2", "w1"},
        StreamFilter(name="a", published=False): {"v1", "v2"},
        StreamFilter(name="a", status="PUBLISHING"): {"p1"},
        StreamFilter(media_session_ids=frozenset({"p1", "w1", "nobody"})): {"p1", "w1"},
        StreamFilter(media_session_ids=frozenset({"v2"})): {"v2"},
        StreamFilter(media_session_ids=frozenset()): set(),
        StreamFilter(name="nobody"): set(),
        StreamFilter(): {"p1", "p2", "v1", "v2", "w1"},
    }
    for query, expected in filters.items():
        async with signaling_rig() as rig:
            alice, _ = await rig.connect()
            await rig.publish(alice, "a", "p1")
            await rig.publish(alice, "b", "p2")
            for name, media_session_id in (("a", "v1"), ("a", "v2"), ("b", "w1")):
                await rig.play(alice, name, media_session_id)
            streams = list(rig.supervisor.streams())
            termination = rig.supervisor.terminate(query, BY_REST)
            assert termination.count == len(expected)
            players = {"p1": {"v1", "v2"}, "p2": {"w1"}}
            fallen = {player for publication in expected & players.keys() for player in players[publication]}
            assert {stream.media_session_id for stream in streams if stream.reason} == expected | fallen
            assert await termination.wait()


async def test_a_crash_of_one_stream_reaches_nobody_else(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "good", "p1")
        broken = stream_request("bad", "p2", published=True)
        rig.plane.publish = None  # type: ignore[assignment,method-assign] # the next stream runs into a bug
        alice.send("publishStream", broken)
        end = await alice.receive("notifyStreamStatusEvent", mediaSessionId="p2")
        assert (end["status"], end["info"]) == ("FAILED", "Failed by error")
        assert rig.directory.is_announced("good")
        assert not rig.directory.is_announced("bad")
        alice.send("ping", None)
        await alice.receive("pong")


async def test_a_publisher_that_is_terminated_while_a_player_waits_for_it_frees_the_player(
    autojump_clock: MockClock,
) -> None:
    async with signaling_rig(auto=False) as rig:
        alice, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        await alice.receive("setRemoteSDP")
        alice.send("playStream", stream_request("cam", "v1", published=False))
        await trio.testing.wait_all_tasks_blocked()
        rig.supervisor.terminate(StreamFilter(published=True), BY_REST)
        end = await alice.receive("notifyStreamStatusEvent", mediaSessionId="v1")
        assert (end["status"], end["info"]) == ("FAILED", "Session does not exist")

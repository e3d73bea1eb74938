"""Keep-alives of real sessions and streams: who is asked for and when, and what each answer leads to."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from attrs import define, field
from trio.testing import MockClock

from actors.stream.keep_alive_schedule import StreamKeepAlive
from tests.support.session.memory_socket import MemorySocket
from tests.support.session.signaling_rig import ALL_METHODS, TEST_OVER, SignalingRig, signaling_rig

METHOD = "StreamKeepAliveEvent"
INTERVAL = 10.0
FAIL = {METHOD: {"restExclude": "sdp", "restOnError": "FAIL"}}
LOG = {METHOD: {"restExclude": "sdp"}}


@define
class Asked:
    """One keep-alive: for which stream, when, and when it was over."""

    stream: str
    began: float
    ended: float | None = None


@define
class KeepAliveRig:
    """Streams that a walker asks for. `rules` says how each is answered: a status, perhaps late; 200 by default."""

    signaling: SignalingRig
    rules: dict[str, Callable[["Asked"], httpx.Response]] = field(factory=dict)
    asked: list[Asked] = field(factory=list)

    def answer(self, method: str, body: dict[str, Any]) -> httpx.Response:
        asked = Asked(body["mediaSessionId"], trio.current_time())
        self.asked.append(asked)
        rule = self.rules.get(asked.stream) or self.rules.get("*") or status(200)
        return rule(asked)

    def times(self, stream: str) -> list[float]:
        """When the backend was asked for this stream."""
        return [asked.began for asked in self.asked if asked.stream == stream]

    async def connect(self, policy: dict[str, dict[str, str]] | None = None) -> MemorySocket:
        """An established client, with this restClientConfig."""
        answer = {} if policy is None else {"restClientConfig": policy}
        self.signaling.backend.answers["connect"] = lambda method, body: httpx.Response(200, json=answer)
        client, _ = await self.signaling.connect()
        return client

    async def publish(self, client: MemorySocket, stream: str) -> None:
        """Publish `stream` under its own name."""
        await self.signaling.publish(client, stream, stream)

    async def play(self, client: MemorySocket, name: str, stream: str) -> None:
        await self.signaling.play(client, name, stream)

    def live(self) -> list[str]:
        """The streams that are on."""
        return sorted(stream.media_session_id for stream in self.signaling.live_streams())

    def ends(self) -> list[tuple[str, str, str]]:
        """Every terminal status that the backend was told: stream, status, info."""
        told = self.signaling.backend.called("StreamStatusEvent")
        return [(body["mediaSessionId"], body["status"], body["info"]) for body in told if "info" in body]


def status(code: int) -> Callable[[Asked], httpx.Response]:
    """That status at once."""
    return lambda asked: httpx.Response(code)


def late(seconds: float, code: int = 200) -> Callable[[Asked], httpx.Response]:
    """That status, and its body so much later. Notes when the exchange was over, one way or another."""

    async def body(asked: Asked) -> AsyncIterator[bytes]:
        try:
            await trio.sleep(seconds)
        finally:
            asked.ended = trio.current_time()
        yield b"{}"

    return lambda asked: httpx.Response(code, content=body(asked))


def refused(asked: Asked) -> httpx.Response:
    """Nobody listens."""
    raise httpx.ConnectError("refused")


@asynccontextmanager
async def keep_alive_rig(
    *,
    methods: frozenset[str] = ALL_METHODS,
    app_keys: tuple[str, ...] = ("defaultApp",),
    interval: float = INTERVAL,
    **settings: Any,
) -> AsyncIterator[KeepAliveRig]:
    """A server's signalling with its walker."""
    async with signaling_rig(
        methods=methods,
        keep_alive_streaming_sessions_enabled=True,
        streaming_sessions_keep_alive_interval=interval,
        streaming_sessions_keep_alive_app_keys=app_keys,
        keep_alive_server_interval=1000.0,  # these clients answer no pings
        **settings,
    ) as signaling:
        rig = KeepAliveRig(signaling)
        signaling.backend.answers[METHOD] = rig.answer
        walker = StreamKeepAlive(signaling.settings, signaling.live_streams)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(walker.run)
            yield rig
            walker.stop(TEST_OVER)


async def see_that_all_is_quiet(client: MemorySocket) -> None:
    """Take in whatever has come, and find neither a warning nor an end among it."""
    client.send("ping", None)
    await client.receive("pong")
    assert client.received("fail") == []
    told = [frame["data"][0]["status"] for frame in client.frames if frame["message"] == "notifyStreamStatusEvent"]
    assert set(told) <= {"PUBLISHING", "PLAYING"}


# -- who is asked for, and when ----------------------------------------------------------------------------------------


async def test_many_streams_are_asked_for_one_after_the_other_all_over_the_interval(autojump_clock: MockClock) -> None:
    names = [f"stream-{number}" for number in range(100)]
    async with keep_alive_rig() as rig:
        client = await rig.connect(FAIL)
        for name in names:
            await rig.publish(client, name)
        began = trio.current_time()
        await trio.sleep(INTERVAL + 0.5)
        in_each_second = Counter(int(asked.began - began) for asked in rig.asked)
        assert max(in_each_second.values()) <= 24, "10 on average"
        await trio.sleep(2 * INTERVAL)
        for name in names:
            gaps = [later - earlier for earlier, later in pairwise(rig.times(name))]
            assert gaps == pytest.approx([INTERVAL] * len(gaps), abs=0.41)
            assert len(gaps) >= 1


async def test_the_shortest_interval_is_kept(autojump_clock: MockClock) -> None:
    async with keep_alive_rig(interval=0.1) as rig:
        await rig.publish(await rig.connect(FAIL), "p")
        await trio.sleep(5.05)
        assert len(rig.asked) in (50, 51)


async def test_the_backend_gets_the_stream_as_it_is(autojump_clock: MockClock) -> None:
    async with keep_alive_rig() as rig:
        client = await rig.connect(FAIL)
        await rig.publish(client, "p")
        await rig.play(client, "p", "v")
        rig.signaling.plane.publications[0].width = 640
        await trio.sleep(2 * INTERVAL)
        bodies = {body["mediaSessionId"]: body for body in rig.signaling.backend.called(METHOD)}
        assert {key: body["published"] for key, body in bodies.items()} == {"p": True, "v": False}
        assert {key: body["status"] for key, body in bodies.items()} == {"p": "PUBLISHING", "v": "PLAYING"}
        assert {body["width"] for body in bodies.values()} == {640}
        assert {body["name"] for body in bodies.values()} == {"p"}
        assert all("sdp" not in body for body in bodies.values())


async def test_a_stream_that_is_not_on_yet_is_not_asked_for(autojump_clock: MockClock) -> None:
    async with keep_alive_rig(auto=False) as rig:
        client = await rig.connect(FAIL)
        client.send("publishStream", {"mediaSessionId": "p", "name": "p", "mediaProvider": "WebRTC", "sdp": "v=0"})
        await client.receive("setRemoteSDP")
        await trio.sleep(3 * INTERVAL)
        assert rig.asked == []


@pytest.mark.parametrize(
    "rig_options",
    [
        pytest.param({"app_keys": ("otherApp",)}, id="the application is not among the keys"),
        pytest.param({"app_keys": ()}, id="no keys at all"),
        pytest.param({"methods": ALL_METHODS - {METHOD}}, id="the application does not have the method"),
        pytest.param({"disable_rest_requests": True}, id="hooks are switched off"),
    ],
)
async def test_nobody_is_asked_who_does_not_want_it(autojump_clock: MockClock, rig_options: dict[str, Any]) -> None:
    async with keep_alive_rig(**rig_options) as rig:
        await rig.publish(await rig.connect(FAIL), "p")
        await trio.sleep(3 * INTERVAL)
        assert rig.asked == []
        assert rig.live() == ["p"]


@pytest.mark.parametrize("word", ["DISABLE", "DISABLED"])
async def test_a_session_whose_policy_is_disable_is_not_asked_for(autojump_clock: MockClock, word: str) -> None:
    async with keep_alive_rig() as rig:
        await rig.publish(await rig.connect({METHOD: {"restPolicy": word, "restOnError": "FAIL"}}), "silent")
        await rig.publish(await rig.connect(FAIL), "other")
        await trio.sleep(3 * INTERVAL)
        assert {asked.stream for asked in rig.asked} == {"other"}


# -- slowness ----------------------------------------------------------------------------------------------------------


async def test_a_slow_answer_costs_its_own_stream_a_turn_and_delays_no_other(autojump_clock: MockClock) -> None:
    async with keep_alive_rig(rest_request_timeout=100.0) as rig:
        rig.rules["slow"] = late(2.5 * INTERVAL)
        client, other = await rig.connect(FAIL), await rig.connect(FAIL)
        await rig.publish(client, "slow")
        await rig.publish(client, "neighbour")
        await rig.publish(other, "stranger")
        await trio.sleep(10 * INTERVAL)
        for stream in ("neighbour", "stranger"):
            gaps = [later - earlier for earlier, later in pairwise(rig.times(stream))]
            assert gaps == pytest.approx([INTERVAL] * len(gaps), abs=0.41)
            assert len(gaps) >= 8
        slow = [asked for asked in rig.asked if asked.stream == "slow"]
        assert len(slow) >= 3
        for earlier, later in pairwise(slow):
            assert later.began - earlier.began == pytest.approx(3 * INTERVAL, abs=0.41)
            assert earlier.ended is not None
            assert earlier.ended <= later.began


async def test_a_keep_alive_that_hangs_holds_up_no_other_hook_of_its_session(autojump_clock: MockClock) -> None:
    async with keep_alive_rig(rest_request_timeout=1000.0) as rig:
        rig.rules["*"] = late(1000)
        client = await rig.connect(FAIL)
        await rig.publish(client, "p")
        await trio.sleep(2 * INTERVAL)
        assert len(rig.asked) == 1
        began = trio.current_time()
        await rig.publish(client, "second")
        await rig.signaling.dispatcher.drain(60)
        assert trio.current_time() == began
        told = [body["mediaSessionId"] for body in rig.signaling.backend.called("StreamStatusEvent")]
        assert told == ["p", "second"]


@pytest.mark.parametrize("end", ["stop", "disconnect"])
async def test_a_keep_alive_under_way_ends_with_its_stream(autojump_clock: MockClock, end: str) -> None:
    async with keep_alive_rig(rest_request_timeout=1000.0) as rig:
        rig.rules["*"] = late(1000, code=403)
        client = await rig.connect(FAIL)
        await rig.publish(client, "p")
        await trio.sleep(2 * INTERVAL)
        assert [asked.ended for asked in rig.asked] == [None]
        if end == "stop":
            client.send("unPublishStream", {"mediaSessionId": "p"})
            await client.receive("notifyStreamStatusEvent", status="UNPUBLISHED")
        else:
            client.disconnect()
        stopped_at = trio.current_time()
        await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(3 * INTERVAL)
        assert [asked.ended for asked in rig.asked] == [stopped_at]


# -- answers -----------------------------------------------------------------------------------------------------------


async def test_403_ends_a_publication_its_players_fall_and_others_go_on(autojump_clock: MockClock) -> None:
    async with keep_alive_rig() as rig:
        rig.rules["p"] = status(403)
        alice, bob = await rig.connect(FAIL), await rig.connect(FAIL)
        await rig.publish(alice, "p")
        await rig.publish(alice, "other")
        await rig.play(bob, "p", "v")
        await rig.play(bob, "other", "w")
        ended = await alice.receive("notifyStreamStatusEvent", mediaSessionId="p", status="FAILED")
        fallen = await bob.receive("notifyStreamStatusEvent", mediaSessionId="v", status="FAILED")
        assert (ended["info"], fallen["info"]) == ("Terminated by keep-alive", "Stopped by publisher stop")
        await trio.sleep(3 * INTERVAL)
        assert rig.live() == ["other", "w"]
        assert len(rig.times("p")) == 1
        assert sorted(rig.ends()) == [
            ("p", "FAILED", "Terminated by keep-alive"),
            ("v", "FAILED", "Stopped by publisher stop"),
        ]
        rig.rules.clear()
        await rig.publish(alice, "p")
        await rig.play(bob, "p", "v")


async def test_403_ends_one_player_and_neither_publication_nor_other_players(autojump_clock: MockClock) -> None:
    async with keep_alive_rig() as rig:
        rig.rules["v1"] = status(403)
        client = await rig.connect(FAIL)
        await rig.publish(client, "p")
        for player in ("v1", "v2"):
            await rig.play(client, "p", player)
        ended = await client.receive("notifyStreamStatusEvent", mediaSessionId="v1", status="FAILED")
        assert ended["info"] == "Terminated by keep-alive"
        await trio.sleep(3 * INTERVAL)
        assert rig.live() == ["p", "v2"]
        assert rig.ends() == [("v1", "FAILED", "Terminated by keep-alive")]


async def test_403_to_everything_ends_everything_once(autojump_clock: MockClock) -> None:
    async with keep_alive_rig() as rig:
        rig.rules["*"] = status(403)
        client = await rig.connect(FAIL)
        await rig.publish(client, "p")
        for number in range(5):
            await rig.play(client, "p", f"v{number}")
        await trio.sleep(2 * INTERVAL)
        assert rig.live() == []
        assert sorted(stream for stream, _, _ in rig.ends()) == ["p", "v0", "v1", "v2", "v3", "v4"]
        assert {end[1:] for end in rig.ends()} <= {
            ("FAILED", "Terminated by keep-alive"),
            ("FAILED", "Stopped by publisher stop"),
        }


@pytest.mark.parametrize("policy", [LOG, {}, None])
@pytest.mark.parametrize("code", [403, 500])
async def test_without_fail_an_error_changes_nothing(
    autojump_clock: MockClock, policy: dict[str, dict[str, str]] | None, code: int
) -> None:
    async with keep_alive_rig() as rig:
        rig.rules["*"] = status(code)
        client = await rig.connect(policy)
        await rig.publish(client, "p")
        await trio.sleep(3 * INTERVAL)
        assert len(rig.asked) >= 2
        assert rig.live() == ["p"]
        await see_that_all_is_quiet(client)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (status(500), "backend answered 500"),
        (status(401), "backend answered 401"),
        (status(404), "backend answered 404"),
        (status(204), "backend answered 204"),
        (refused, "backend is not reachable"),
        (late(1000), "backend did not answer in time"),
        (late(1000, code=403), "backend did not answer in time"),
    ],
)
async def test_any_other_error_under_fail_is_told_to_the_client_and_the_stream_goes_on(
    autojump_clock: MockClock, rule: Callable[[Asked], httpx.Response], words: str
) -> None:
    async with keep_alive_rig(rest_request_timeout=5.0) as rig:
        rig.rules["p"] = rule
        client = await rig.connect(FAIL)
        await rig.publish(client, "p")
        warning = await client.receive("fail")
        assert warning == {"info": f"{METHOD}: {words}", "method": METHOD, "mediaSessionId": "p"}
        await client.receive("fail")
        assert rig.live() == ["p"]
        assert rig.ends() == []

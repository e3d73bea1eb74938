"""Clients, a backend and an operator that do anything at any time, over real sockets, and what must hold all the same.

    python -m tests.bench.endurance.random_streams --seed 7 --seconds 60 --clients 20

Clients publish and play under few names, stop, vanish and come back; the backend allows, refuses, renames, drops,
stalls and ends streams at their keep-alive; the operator terminates by filters. Whatever the order:

- a client that stays hears of exactly one end of each of its streams, and the backend of the same one: unless the hook
  of that end ran out of time while this process, which is all of them, was too slow
- no stream that a terminate matched is there once it has been answered with 200
- at the end every name is free, and the server holds no session, stream, peer, address or hook

The seed makes the choices, not the timing, so a run is like another one and not the same.
"""

import argparse
import contextlib
import logging
import random
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import trio
from attrs import define, field, frozen

from actors.hooks.call_log import CallLog, HookCall, Progress
from protocol.hooks import HookMethod, TimedOut
from protocol.hooks import Outcome as HookOutcome
from protocol.stream.statuses import StreamStatus
from tests.support.hooks.backend import ScriptedBackend, open_backend
from tests.support.hooks.behaviours import Behaviour, Exchange, allow, deny, drop, hang, reset
from tests.support.operator.operator_console import run_wcs
from tests.support.servers.full_server import FullServer, full_server
from tests.support.servers.server_process import POLL
from tests.support.session.wcs_client import ClientStream, WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

NAMES = [f"name{number}" for number in range(6)]
APP = "random"
PATIENCE = 30.0
SETTINGS: Mapping[str, Any] = {
    "rest_request_timeout": 3.0,
    "rest_client_request_retry_count": 1,
    "keep_alive_streaming_sessions_enabled": True,
    "streaming_sessions_keep_alive_interval": 0.3,
    "streaming_sessions_keep_alive_app_keys": (APP,),
    "play_wait_timeout": 0.2,
    "ice_timeout": 2.0,
}
LEFT_OVER = (
    *("connections_websocket", "streams_webrtc_in", "streams_webrtc_out", "publishers", "players", "handshakes"),
    *("addresses", "waiting", "connections_leased"),
)
"""Counters of `?action=stat` that are 0 when nobody is there."""


@define(eq=False)
class Outcome:
    """What happened, and what should not have."""

    done: Counter[str] = field(factory=Counter)
    faults: list[str] = field(factory=list)
    ended: dict[str, str] = field(factory=dict)
    """Status that the client was told at the end of each media session."""
    too_late: set[str] = field(factory=set)
    """Media sessions with a status whose hook ran out of time."""
    lag: float = 0.0
    """The longest that a task had to wait for its turn, in seconds."""


class CrashLog(logging.Handler):
    """Takes every log line that has a traceback for a fault."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self._outcome = outcome

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self._outcome.faults.append(f"{record.getMessage()}: {record.exc_info[1]!r}")


class CallLogOfLateEnds(CallLog):
    """Notes which statuses the server gave up to tell, because `rest_request_timeout` was over."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self._outcome = outcome

    def ended(self, call: HookCall, progress: Progress, outcome: HookOutcome) -> None:
        super().ended(call, progress, outcome)
        if call.method is HookMethod.STREAM_STATUS_EVENT and isinstance(outcome, TimedOut):
            self._outcome.too_late.add(call.body["mediaSessionId"])


class RandomBackend:
    """Makes each answer a throw of the dice. Times are short: a stalled call outlasts `rest_request_timeout`."""

    def __init__(self, backend: ScriptedBackend, dice: random.Random) -> None:
        self._dice = dice
        backend.script("*", self._behave)
        backend.script("connect", self._let_in)

    async def _let_in(self, exchange: Exchange) -> None:
        decide = {"restOnError": "FAIL", "restPolicy": "OVERWRITE", "restOverwrite": "name"}
        config = dict.fromkeys(("publishStream", "playStream"), decide)
        await exchange.answer(200, {**exchange.call.body, "restClientConfig": config})

    async def _behave(self, exchange: Exchange) -> None:
        await self._choose(exchange.call.method)(exchange)

    def _choose(self, method: str) -> Behaviour:
        throw = self._dice.random()
        if method == "StreamKeepAliveEvent":
            return deny(403) if throw < 0.05 else allow
        if throw > 0.2:
            return allow
        if method in ("publishStream", "playStream") and throw > 0.1:
            return self._rename
        return self._dice.choice((deny(403, info="no"), deny(500), drop, reset, hang))

    async def _rename(self, exchange: Exchange) -> None:
        await exchange.answer(200, {**exchange.call.body, "name": self._dice.choice(NAMES)})


class RandomClient:
    """Somebody with a page, who comes, does things, and goes, again and again."""

    def __init__(self, server: FullServer, dice: random.Random, outcome: Outcome) -> None:
        self._server = server
        self._dice = dice
        self._outcome = outcome

    async def run(self, until: float) -> None:
        """Come and go until then."""
        while trio.current_time() < until:
            async with wcs_client(self._server.ws_url(), established=False) as client:
                if not await self._enter(client):
                    continue
                asked = [media async for media in self._use(client, until)]
                if self._dice.random() < 0.5:
                    await self._see_all_end(client, asked)
                self._count(client, asked)

    async def _enter(self, client: WcsClient) -> bool:
        """False if the server does not let it in, as it must where `connect` is not answered in time."""
        await client.send("connection", {"appKey": APP, "mediaProviders": ["WebRTC"]})
        with trio.move_on_after(PATIENCE):
            while not client.closed.is_set():
                if client.of("getUserData"):
                    return True
                await client._changed.wait()
            self._outcome.done["not let in"] += 1
            return False
        self._outcome.faults.append(f"neither in nor refused in {PATIENCE} s: {client.frames}")
        return False

    async def _use(self, client: WcsClient, until: float) -> AsyncIterator[str]:
        streams: list[ClientStream] = []
        for _ in range(self._dice.randrange(1, 8)):
            if trio.current_time() > until or client.closed.is_set():
                return
            if streams and self._dice.random() < 0.4:
                await self._stop(client, self._dice.choice(streams))
            else:
                yield await self._begin(client, streams)
            await trio.sleep(self._dice.random() * 0.2)

    async def _begin(self, client: WcsClient, streams: list[ClientStream]) -> str:
        message = self._dice.choice(("publishStream", "playStream"))
        peer = MediaPeer(check_interval=0.2)
        client.peers.append(peer)
        offer = peer.publish_offer() if message == "publishStream" else peer.play_offer()
        media_session_id = await client.request(message, self._dice.choice(NAMES), offer)
        self._outcome.done[message] += 1
        if self._dice.random() < 0.8:
            client.nursery.start_soon(self._connect, client, media_session_id, peer)
        streams.append(ClientStream(client=client, id=media_session_id, name="", peer=peer))
        return media_session_id

    async def _connect(self, client: WcsClient, media_session_id: str, peer: MediaPeer) -> None:
        """Connect the media once it is answered, and publish a picture now and then, until the client goes."""
        while not client.of("setRemoteSDP", mediaSessionId=media_session_id):
            if client.closed.is_set() or _ends(client, media_session_id):
                return
            await client._changed.wait()
        peer.accept(client.of("setRemoteSDP", mediaSessionId=media_session_id)[0]["sdp"])
        stream = ClientStream(client=client, id=media_session_id, name="", peer=peer)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.run_peer)
            await peer.connected.wait()
            while not _ends(client, media_session_id) and not peer.closed.is_set():
                if peer.transmitter is not None:
                    stream.send_key_frame()
                await trio.sleep(0.1)
            nursery.cancel_scope.cancel()

    async def _stop(self, client: WcsClient, stream: ClientStream) -> None:
        self._outcome.done["stop"] += 1
        for message in ("unPublishStream", "stopStream"):
            await client.send(message, {"mediaSessionId": stream.id})

    async def _see_all_end(self, client: WcsClient, asked: Sequence[str]) -> None:
        """Ask for the end of what still lives, and wait for it."""
        with trio.move_on_after(PATIENCE):
            for media_session_id in asked:
                while not client.closed.is_set() and not _ends(client, media_session_id):
                    for message in ("unPublishStream", "stopStream"):
                        await client.send(message, {"mediaSessionId": media_session_id})
                    with trio.move_on_after(1.0):  # a backend that refuses to let a stream end is asked again
                        await client._changed.wait()
            return
        self._outcome.faults.append(f"no end in {PATIENCE} s: {[each for each in asked if not _ends(client, each)]}")

    def _count(self, client: WcsClient, asked: Sequence[str]) -> None:
        for media_session_id in asked:
            ends = _ends(client, media_session_id)
            if len(ends) > 1:
                self._outcome.faults.append(f"{media_session_id} ended {len(ends)} times: {ends}")
            elif ends:
                self._outcome.ended[media_session_id] = ends[0]
                self._outcome.done[f"told {ends[0]}"] += 1


def _ends(client: WcsClient, media_session_id: str) -> list[str]:
    statuses = (frame["status"] for frame in client.statuses_of(media_session_id))
    return [status for status in statuses if StreamStatus(status).is_terminal]


class RandomOperator:
    """Terminates by all kinds of filters."""

    def __init__(self, server: FullServer, dice: random.Random, outcome: Outcome) -> None:
        self._server = server
        self._dice = dice
        self._outcome = outcome

    async def run(self, until: float) -> None:
        while trio.current_time() < until:
            await trio.sleep(self._dice.random() * 0.1)
            await self._terminate(await self._choose())

    async def _choose(self) -> dict[str, Any]:
        streams = await self._server.streams()
        filters: dict[str, Any] = {"name": self._dice.choice(NAMES)}
        if streams and self._dice.random() < 0.5:
            key = self._dice.choice(("mediaSessionId", "sessionId"))
            filters = {key: self._dice.choice(streams)[key]}
        if self._dice.random() < 0.3:
            filters["published"] = self._dice.random() < 0.5
        return filters

    async def _terminate(self, filters: dict[str, Any]) -> None:
        before = {stream["mediaSessionId"] for stream in await self._server.streams(**filters)}
        answer = await self._server.terminate(**filters)
        if answer.status_code != httpx.codes.OK:
            self._outcome.done[f"terminate {answer.status_code}"] += 1
            return
        self._outcome.done["terminate 200"] += 1
        left = before & {stream["mediaSessionId"] for stream in await self._server.streams(**filters)}
        if left:
            self._outcome.faults.append(f"terminate {filters} was answered with 200, and {left} live")


@frozen(kw_only=True)
class World:
    """Everybody, for one run."""

    server: FullServer
    backend: ScriptedBackend
    dice: random.Random
    outcome: Outcome

    async def run(self, *, clients: int, seconds: float) -> Outcome:
        """Let them do as they like, and look at what is left."""
        until = trio.current_time() + seconds
        RandomBackend(self.backend, self._die())
        self.server.server.parts.dispatcher.sender.log = CallLogOfLateEnds(self.outcome)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_lag, until)
            for _ in range(clients):
                nursery.start_soon(RandomClient(self.server, self._die(), self.outcome).run, until)
            nursery.start_soon(RandomOperator(self.server, self._die(), self.outcome).run, until)
        await self._expect_nothing_left()
        await self._expect_names_free()
        self._compare_ends()
        return self.outcome

    def _die(self) -> random.Random:
        return random.Random(self.dice.random())

    async def _watch_lag(self, until: float) -> None:
        while (due := trio.current_time() + POLL) < until:
            await trio.sleep_until(due)
            self.outcome.lag = max(self.outcome.lag, trio.current_time() - due)

    async def _expect_nothing_left(self) -> None:
        left: dict[str, str] = {}
        with trio.move_on_after(PATIENCE):
            while left := await self._left():  # noqa: ASYNC110 - the server tells no one that it is idle
                await trio.sleep(POLL)
        if left:
            self.outcome.faults.append(f"left over: {left}")

    async def _left(self) -> dict[str, str]:
        counters = await self.server.statistics()
        return {name: counters[name] for name in LEFT_OVER if counters[name] != "0"}

    async def _expect_names_free(self) -> None:
        self.backend.script("*", allow)
        await self._until_backend_is_called()
        async with wcs_client(self.server.ws_url(), appKey=APP) as client:
            for name in NAMES:
                await client.publish(name)

    async def _until_backend_is_called(self) -> None:
        """It has failed now and then, and so may be left alone still."""
        parts = self.server.server.parts
        app = parts.opened.apps.by_key(APP)
        assert app is not None
        await trio.sleep(parts.dispatcher.sender.breakers.seconds_left(app))

    def _compare_ends(self) -> None:
        """The backend was told of each end that a client was told of, and of no other."""
        told: defaultdict[str, set[str]] = defaultdict(set)
        for call in self.backend.received("StreamStatusEvent"):
            if StreamStatus(call.body["status"]).is_terminal:
                told[call.body["mediaSessionId"]].add(call.body["status"])
        self.outcome.done["ends at the backend"] = len(told)
        for media_session_id, statuses in told.items():
            if len(statuses) > 1:
                self.outcome.faults.append(f"the backend was told of {media_session_id}: {statuses}")
        for media_session_id, status in self.outcome.ended.items():
            if not told[media_session_id] and self._ran_late(media_session_id):
                self.outcome.done["ends that came too late"] += 1
            elif told[media_session_id] != {status}:
                self.outcome.faults.append(f"{media_session_id}: {status} to the client, {told[media_session_id]}")

    def _ran_late(self, media_session_id: str) -> bool:
        """A hook takes some ten turns of the loop, half of them here: so many have to fit into its time."""
        is_slow = self.outcome.lag > SETTINGS["rest_request_timeout"] / 10
        return is_slow and media_session_id in self.outcome.too_late


async def play(folder: Path, *, seed: int, clients: int, seconds: float) -> Outcome:
    """One run in a server of its own."""
    outcome = Outcome()
    with _watched_log(outcome):
        return await _play(folder, outcome, seed=seed, clients=clients, seconds=seconds)


@contextlib.contextmanager
def _watched_log(outcome: Outcome) -> Iterator[None]:
    logger, handler = logging.getLogger("wcsd"), CrashLog(outcome)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


async def _play(folder: Path, outcome: Outcome, *, seed: int, clients: int, seconds: float) -> Outcome:
    async with full_server(folder, **SETTINGS) as server, open_backend() as backend:
        added = await run_wcs("--state", str(folder / "state"), "add", "app", APP, APP, backend.url)
        assert added.returncode == 0, added.stderr
        allowed = await run_wcs("--state", str(folder / "state"), "add", "app-rest-method", "-a", APP)
        assert allowed.returncode == 0, allowed.stderr
        world = World(server=server, backend=backend, dice=random.Random(seed), outcome=outcome)
        return await world.run(clients=clients, seconds=seconds)


def main(arguments: Sequence[str]) -> int:
    """Run and print; the exit code is 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.endurance.random_streams")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args(arguments)
    if not (1 <= options.clients <= 200 and 0 < options.seconds <= 3600):
        parser.error("1 to 200 clients, up to an hour")
    with tempfile.TemporaryDirectory(prefix="wcsd-random-") as folder:
        run = trio.run(_run, Path(folder), options)
    print(f"seed {options.seed}:", ", ".join(f"{name} {count}" for name, count in sorted(run.done.items())))
    print(f"longest wait of a task: {run.lag:.2f} s")
    print(*run.faults or ("all holds",), sep="\n")
    return 1 if run.faults else 0


async def _run(folder: Path, options: argparse.Namespace) -> Outcome:
    return await play(folder, seed=options.seed, clients=options.clients, seconds=options.seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

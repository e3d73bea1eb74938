"""The console's overview of a server with known traffic."""

import time
from pathlib import Path
from typing import Any

import trio

from actors.metrics.overview import Overview
from actors.runtime.loop_clock import LoopClock
from config.apps import App, default_table
from config.tables.apps_file import write_apps
from protocol.hooks import HookMethod, Unreachable
from protocol.metrics.hook_counts import HookOutcome
from tests.support.servers.full_server import full_server
from tests.support.session.wcs_client import wcs_client


def test_the_time_since_the_start_has_that_in_which_the_server_stood_still(tmp_path: Path) -> None:
    frozen = 0.0

    async def main() -> int:
        nonlocal frozen
        async with full_server(tmp_path) as server:
            overview = Overview(server.server.measured)
            frozen = 3600.0
            looked = await overview.look(None)
            return int(looked["uptime"])

    assert trio.run(main, clock=LoopClock(lambda: time.monotonic() + frozen)) >= 3600


async def test_the_overview_tells_what_runs(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server:
        overview = Overview(server.server.measured)
        counts = server.server.measured.dispatcher.sender.counts
        empty = await overview.look(None)
        async with wcs_client(server.ws_url()) as page:
            publication = await page.publish("news")
            playback = await page.play("news")
            publication.send_key_frame(b"picture")
            await playback.until_media(lambda packet: packet.payload.endswith(b"picture"))
            for _ in range(3):
                counts.ended("defaultApp", HookMethod.CONNECT, HookOutcome.TIMEOUT, 0.3)
            server.server.measured.overload.note(0.001, trio.current_time())
            during = await overview.look(None)
            own = await overview.look(frozenset({"defaultApp"}))
            foreign = await overview.look(frozenset({"shop"}))
            answer: dict[str, Any] = (await server.rest.get("/page/overview")).json()

    def streams(looked: dict[str, Any]) -> tuple[int, int]:
        sample = looked["samples"][-1]
        return sample["published"], sample["played"]

    assert streams(empty) == streams(foreign) == (0, 0)
    assert streams(during) == streams(own) == streams(answer) == (1, 1)
    assert len(during["samples"]) == 2
    before, now = during["samples"]
    assert (before["hooks"], before["loss"]) == (None, None)
    assert now["hooks"] > 0
    assert now["hook_p95"] == 500
    assert now["loop_p99"] > 0
    assert own["samples"][-1]["loop_p99"] is None
    assert during["alarms"] == [{"kind": "hooks", "text": "Hook calls are failing: 3 of 3 in the last two minutes."}]
    assert foreign["alarms"] == []


async def test_few_failed_calls_are_no_alarm(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server:
        overview, counts = Overview(server.server.measured), server.server.measured.dispatcher.sender.counts

        async def alarms_after(outcome: HookOutcome, count: int) -> list[str]:
            for _ in range(count):
                counts.ended("defaultApp", HookMethod.CONNECT, outcome, 0.1)
            return [alarm["text"] for alarm in (await overview.look(None))["alarms"]]

        assert await alarms_after(HookOutcome.OK, 0) == []
        assert await alarms_after(HookOutcome.TIMEOUT, 2) == [], "all of them, but only two"
        expected = ["Hook calls are failing: 3 of 60 in the last two minutes."]
        assert await alarms_after(HookOutcome.TIMEOUT, 1) == ["Hook calls are failing: 3 of 3 in the last two minutes."]
        assert await alarms_after(HookOutcome.OK, 57) == expected
        assert await alarms_after(HookOutcome.OK, 1) == [], "less than a twentieth"


async def test_a_backend_that_is_not_called_is_an_alarm(tmp_path: Path) -> None:
    shop = App(name="Shop", key="shop", url="http://127.0.0.1:9/hooks")
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state/apps.toml").write_text(write_apps(default_table().added(shop)))
    async with full_server(tmp_path) as server:
        breakers, overview = server.server.measured.dispatcher.sender.breakers, Overview(server.server.measured)
        while (ticket := breakers.admit(shop)) is not None:
            breakers.report(shop, ticket, HookMethod.CONNECT, Unreachable(cause="refused"))
        told = {apps: (await overview.look(apps))["alarms"] for apps in (None, frozenset({"shop"}), frozenset({"x"}))}
    expected = "The backend of shop has failed too often, and is not called; it is tried from time to time."
    assert told == {
        None: [{"kind": "breaker", "text": expected}],
        frozenset({"shop"}): [{"kind": "breaker", "text": expected}],
        frozenset({"x"}): [],
    }

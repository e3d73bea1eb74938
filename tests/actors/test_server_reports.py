"""What is told, as events, of the server as a whole: drains, reloads, applications, dropped media."""

import json
from collections import Counter
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.events.app_changes import report_app_changes
from actors.events.event_log import EventLog
from actors.events.reported_reload import ReportedReload
from actors.metrics.drop_watch import watch_media_drops
from actors.node.drain import Drain, Empty
from actors.settings.reload import ReloadReport, no_reload
from config.apps import App, AppTable
from config.changes import SettingChange
from config.loading import SettingsError
from protocol.metrics.labels import DROPS

SHOP = App(name="shop", key="shopKey", url="https://shop.example/hooks")


class Streams(Empty):
    """One publication."""

    stream_counts = (1, 7)


def told(events: EventLog, kind: str) -> list[dict[str, Any]]:
    """The fields of each event of this kind, without its time."""
    found = (event for event in events.since(1, 1000) if event.type == kind)
    shown = [json.loads(event.data.decode().split("data: ")[1]) for event in found]
    return [{name: value for name, value in each.items() if name != "time"} for each in shown]


async def test_drains_are_told_from_their_beginning_to_their_end(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    events = EventLog()
    drain = Drain(Streams(), events)
    nursery.start_soon(drain.run)
    drain.begin(60, by="alice")
    drain.cancel(by="bob")
    drain.begin(30, by="alice")
    await trio.sleep(100)
    drain.stop()
    counts = {"publications": 1, "viewers": 7}
    assert told(events, "drain.started") == [
        {**counts, "secondsLeft": 60, "by": "alice"},
        {**counts, "secondsLeft": 30, "by": "alice"},
    ]
    ends = [(each["result"], each.get("by")) for each in told(events, "drain.ended")]
    assert ends == [("cancelled", "bob"), ("timeout", None)]


async def test_a_drain_that_is_cut_short_has_an_end() -> None:
    events = EventLog()
    drain = Drain(Streams(), events)
    drain.begin(by="alice")
    drain.stop()
    assert [each["result"] for each in told(events, "drain.ended")] == ["stopped"]


async def test_reloads_are_told_and_counted_and_checks_are_not() -> None:
    events = EventLog()
    change = SettingChange(key="rest_hook_secret_key", before="s3cret", after="t0psecret")

    async def reload(*, by: str, check_only: bool) -> ReloadReport:
        await trio.lowlevel.checkpoint()
        return ReloadReport(taken=(change,), waiting=(), warnings=())

    good = ReportedReload(reload, events, lambda _: False, lambda: 1000.0)
    bad = ReportedReload(no_reload, events, lambda _: False)
    await good(by="alice", check_only=True)
    await good(by="alice")
    with pytest.raises(SettingsError):
        await bad(by="bob")
    assert told(events, "config.reloaded") == [
        {"result": "ok", "changed": ["rest_hook_secret_key"], "waiting": [], "by": "alice"},
        {"result": "refused", "faults": 1, "by": "bob"},
    ]
    assert (good.counts.results, good.counts.last) == (Counter(ok=1, refused=0), 1000.0)
    assert (bad.counts.results, bad.counts.last) == (Counter(ok=0, refused=1), 0.0)


def test_applications_are_told_without_their_secrets() -> None:
    events = EventLog()
    none, one = AppTable(()), AppTable((SHOP,))
    other = AppTable((SHOP.with_fields(rest_username="wcsd", rest_password="s3cret"),))
    for before, after in ((none, one), (one, other), (other, other), (other, none)):
        report_app_changes(events, before, after)
    assert told(events, "app.changed") == [
        {"appKey": "shopKey", "change": "added"},
        {"appKey": "shopKey", "change": "changed", "fields": ["rest_username", "rest_password"]},
        {"appKey": "shopKey", "change": "removed"},
    ]


class Plane:
    """Drops packets when it is told to."""

    def __init__(self) -> None:
        self.drops: Counter[str] = Counter(dict.fromkeys(DROPS, 0))


async def test_dropped_media_is_told_once_a_second(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    events, plane = EventLog(), Plane()
    nursery.start_soon(watch_media_drops, plane, events)
    for step in range(40):
        await trio.sleep(0.1)
        plane.drops["unknown_address"] += 1  # anybody may send anything
        if step < 18:
            plane.drops["kernel_drops"] += 1
    plane.drops["over_bitrate"] += 5
    await trio.sleep(10)
    first, second, third = told(events, "media.dropped")
    assert first["packets"] + second["packets"] == 18
    assert third == {"packets": 5, "reasons": {"over_bitrate": 5}}
    nursery.cancel_scope.cancel()

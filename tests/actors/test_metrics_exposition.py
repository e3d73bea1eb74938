"""The text of `/metrics`: the same bytes as the library writes in one piece, and never a long piece of work."""

import re
from typing import Any

import trio
from prometheus_client import generate_latest
from prometheus_client.core import CollectorRegistry, CounterMetricFamily
from prometheus_client.parser import text_string_to_metric_families
from trio.testing import MockClock

from actors.metrics.census import Census
from actors.metrics.exposition import SAMPLES_AT_ONCE, Readings, exposition
from actors.metrics.metrics import MAX_AGE, Metrics
from actors.node.supervisor import Supervisor
from actors.web.api.server.metrics import MetricsResource
from protocol.metrics.families import BY_NAME, FAMILIES, FamilyKind
from protocol.metrics.histogram import WAITS, Histogram
from protocol.metrics.labels import Labels

NO_MORE = CollectorRegistry()
CALLS = "wcsd_hook_calls_total"


def many_calls(apps: int, methods: int) -> dict[Labels, float]:
    return {(f"app{app}", f"method{method}", "ok"): app * method for app in range(apps) for method in range(methods)}


async def test_a_large_family_is_written_in_pieces_and_reads_as_one() -> None:
    calls = many_calls(50, 20)
    whole = CounterMetricFamily(CALLS, BY_NAME[CALLS].meaning, labels=BY_NAME[CALLS].labels)
    for labels, value in calls.items():
        whole.add_metric(labels, value)

    class One:
        def collect(self) -> Any:
            yield whole

    assert await exposition({CALLS: calls}, NO_MORE) == generate_latest(One())


async def test_other_tasks_get_turns_between_the_pieces() -> None:
    calls = many_calls(50, 100)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count_turns)
        await exposition({CALLS: calls}, NO_MORE)
        nursery.cancel_scope.cancel()
    assert turns >= len(calls) // SAMPLES_AT_ONCE - 3


async def test_every_kind_is_read_back_by_the_library() -> None:
    waits = Histogram(WAITS)
    waits.observe(0.3)
    calls: dict[Labels, float] = {('a"b\\c\nd', "connect", "ok"): 3}
    durations: dict[Labels, Histogram] = {("app", "connect"): waits}
    readings: Readings = {"wcsd_ready": 1, CALLS: calls, "wcsd_hook_duration_seconds": durations}
    text = (await exposition(readings, NO_MORE)).decode()
    read = {family.name: family for family in text_string_to_metric_families(text)}
    assert read["wcsd_ready"].samples[0].value == 1
    assert read["wcsd_hook_calls"].samples[0].labels["app"] == 'a"b\\c\nd'
    buckets = {
        sample.labels["le"]: sample.value
        for sample in read["wcsd_hook_duration_seconds"].samples
        if sample.name.endswith("_bucket")
    }
    assert (buckets["0.25"], buckets["0.5"], buckets["+Inf"]) == (0, 1, 1)


async def test_a_family_without_values_is_named_all_the_same() -> None:
    text = (await exposition({CALLS: {}}, NO_MORE)).decode()
    assert re.findall(r"^# TYPE (.*)$", text, re.MULTILINE) == [f"{CALLS} counter"]


async def test_metrics_of_nothing_are_those_of_the_process() -> None:
    text = (await Metrics().render()).decode()
    assert "process_resident_memory_bytes" in text
    assert "python_gc_collections_total" in text
    assert "wcsd_" not in text


async def test_sums_never_shrink_when_players_take_back_their_losses() -> None:
    supervisor = Supervisor()
    census = Census(supervisor)
    ended = supervisor.counts.ended_traffic["play"]
    ended.lost = 7
    assert (await census.take())["wcsd_media_packets_lost_total"] == {("publish",): 0, ("play",): 7}
    ended.lost = 5
    assert (await census.take())["wcsd_media_packets_lost_total"] == {("publish",): 0, ("play",): 7}


async def test_who_asks_within_a_second_gets_the_same_bytes(autojump_clock: MockClock) -> None:
    made = 0

    async def make() -> bytes:
        nonlocal made
        made += 1
        await trio.sleep(0.1)
        return b"%d" % made

    resource = MetricsResource(make)
    got: list[bytes] = []

    async def ask() -> None:
        got.append(await resource.make())

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask)
    await trio.sleep(MAX_AGE)
    await ask()
    assert got == [b"1"] * 5 + [b"2"]


def test_each_histogram_is_a_histogram() -> None:
    assert {each.name for each in FAMILIES if each.name.endswith(("_seconds", "_ratio"))} >= {
        each.name for each in FAMILIES if each.kind is FamilyKind.HISTOGRAM
    }

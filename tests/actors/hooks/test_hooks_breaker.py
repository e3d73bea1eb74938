"""A backend that keeps failing: nobody waits for it, and it is called again as soon as it answers."""

import logging
from typing import Any

import httpx
import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from actors.events.event_log import EventLog
from config.apps import App
from protocol.hooks import Allow, Deny, HookMethod, MethodConfig, RestOnError
from protocol.hooks.breaker import FAILURES, PROBE_SECONDS
from protocol.metrics.hook_counts import HookOutcome
from tests.support.hooks.hook_rig import APP, HookRig, after, echo, failing, hang, hook_rig, status

PUBLISH, STATUS, KEEP_ALIVE = (
    HookMethod.PUBLISH_STREAM,
    HookMethod.STREAM_STATUS_EVENT,
    HookMethod.STREAM_KEEP_ALIVE_EVENT,
)
FAIL = MethodConfig(rest_on_error=RestOnError.FAIL)
DENIED = Deny(info="Restricted access")
REFUSED = failing(httpx.ConnectError("backend.test port 80: Connection refused"))


async def opened(rig: HookRig) -> None:
    """Enough questions fail, each in a session of its own."""
    for number in range(FAILURES):
        await rig.lane(f"before-{number}").authorize(PUBLISH, {})
    assert rig.dispatcher.sender.breakers.refuses(APP)
    rig.backend.calls.clear()


async def ask(
    rig: HookRig, app: App = APP, method: HookMethod = PUBLISH, **policies: MethodConfig
) -> tuple[Any, float]:
    """The verdict of a question, and how long it took."""
    began = trio.current_time()
    judged = await rig.lane("session", app, **policies).authorize(method, {})
    return judged, trio.current_time() - began


async def test_questions_come_to_a_timeout_at_once(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", REFUSED)
        await opened(rig)
        assert await ask(rig, publishStream=FAIL) == (DENIED, 0)
        assert await ask(rig) == (Allow(body={}), 0)
        assert await ask(rig, method=HookMethod.CONNECT) == (DENIED, 0)
        assert rig.backend.calls == []
        counters = rig.dispatcher.sender.counters
        assert (counters.failed, counters.timed_out) == (FAILURES + 3, 0)
        assert rig.dispatcher.sender.counts.calls["other", "connect", HookOutcome.OPEN] == 1
        assert ("other", "connect") not in rig.dispatcher.sender.counts.seconds  # it took no time
    causes = [record.wcsd_fields.get("cause") for record in caplog.records if hasattr(record, "wcsd_fields")]
    assert "breaker open" in causes


@pytest.mark.parametrize(
    ("reaction", "judged"),
    [("allow", Allow(body={})), ("deny", DENIED), ("timeout", Allow(body={})), (None, Allow(body={}))],
)
async def test_an_application_chooses_what_a_question_comes_to(
    autojump_clock: MockClock, reaction: str | None, judged: object
) -> None:
    app = evolve(APP, on_breaker=reaction)
    async with hook_rig(app) as rig:
        rig.backend.script("*", REFUSED)
        await opened(rig)
        assert await ask(rig, app) == (judged, 0)
        connected = Allow(body={}) if reaction == "allow" else DENIED
        assert await ask(rig, app, HookMethod.CONNECT) == (connected, 0)
        assert rig.backend.calls == []


async def test_an_application_may_insist_on_being_called(autojump_clock: MockClock) -> None:
    app = evolve(APP, on_breaker="call")
    async with hook_rig(app, rest_client_request_retry_count=0) as rig:
        rig.backend.script("*", REFUSED)
        await opened(rig)
        await ask(rig, app)
        assert rig.lane(app=app).keep_alive_slot().is_ready
        assert len(rig.backend.calls) == 1


async def test_a_probe_has_three_seconds_and_one_that_is_answered_ends_it(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    events = EventLog()
    async with hook_rig(events=events) as rig:
        rig.backend.script("*", *[REFUSED] * 4 * FAILURES, hang, after(1), echo)
        await opened(rig)
        await trio.sleep(1.3)
        _, seconds = await ask(rig)
        assert seconds == pytest.approx(PROBE_SECONDS)
        assert (await ask(rig))[1] == 0
        await trio.sleep(2.5)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, rig)
            await trio.sleep(0.5)
            assert (await ask(rig, publishStream=FAIL)) == (DENIED, 0)  # one probe at a time
        assert (await ask(rig, publishStream=FAIL))[0] == Allow(body={})
        assert [call.method for call in rig.backend.calls] == ["publishStream"] * 3
        changes = rig.dispatcher.sender.counts.breaker_changes
        assert {to: changes["other", to] for to in ("open", "half_open", "closed")} == {
            "open": 2,
            "half_open": 2,
            "closed": 1,
        }
    told = [record.getMessage() for record in caplog.records if "breaker" in record.getMessage()]
    assert told == ["breaker opened: the backend is not called", "breaker closed: the backend answers again"]
    assert events.counts["breaker.changed"] == 5


async def test_keep_alives_skip_their_turn(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", REFUSED)
        slot = rig.lane(StreamKeepAliveEvent=FAIL).keep_alive_slot()
        await opened(rig)
        verdicts: list[object] = []
        assert not slot.send({}, verdicts.append)
        await trio.sleep(1.3)
        rig.backend.script("*", echo)
        assert slot.send({}, verdicts.append)  # as the probe
        await trio.sleep(1)
        assert verdicts == [Allow(body={})]
        assert not rig.dispatcher.sender.breakers.refuses(APP)


async def test_notifications_are_sent_nevertheless(autojump_clock: MockClock) -> None:
    async with hook_rig(rest_client_request_retry_count=0) as rig:
        rig.backend.script("*", REFUSED)
        await opened(rig)
        rig.backend.script("*", echo)
        rig.lane().notify(STATUS, {})
        await trio.sleep(0.1)
        assert [call.method for call in rig.backend.calls] == ["StreamStatusEvent"]


async def test_a_notification_that_a_backend_does_not_know_shuts_nobody_out(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("StreamStatusEvent", status(500))
        rig.backend.script("publishStream", status(403))
        lane = rig.lane()
        for _ in range(5 * FAILURES):
            lane.notify(STATUS, {})
            await lane.authorize(PUBLISH, {})
        assert not rig.dispatcher.sender.breakers.refuses(APP)
        rig.backend.script("publishStream", status(503))
        for _ in range(FAILURES):
            await lane.authorize(PUBLISH, {})
        assert rig.dispatcher.sender.breakers.refuses(APP)


async def test_applications_of_one_backend_share_its_breaker_and_others_do_not(autojump_clock: MockClock) -> None:
    neighbour = App(name="n", key="n", url="http://backend.test/other", methods=APP.methods)
    elsewhere = App(name="e", key="e", url="http://backend.test:8080/api", methods=APP.methods)
    async with hook_rig() as rig:
        rig.apps.update({"n": neighbour, "e": elsewhere})
        rig.backend.script("*", REFUSED)
        await opened(rig)
        breakers = rig.dispatcher.sender.breakers
        assert breakers.refuses(neighbour)
        assert not breakers.refuses(elsewhere)
        assert dict(breakers.states()) == {"testApp": "open", "n": "open"}


async def test_without_the_setting_there_is_none(autojump_clock: MockClock) -> None:
    async with hook_rig(rest_breaker=False, rest_client_request_retry_count=0) as rig:
        rig.backend.script("*", REFUSED)
        for _ in range(2 * FAILURES):
            await rig.lane().authorize(PUBLISH, {})
        assert len(rig.backend.calls) == 2 * FAILURES


async def test_a_backend_that_hangs_costs_few_questions_their_time(autojump_clock: MockClock) -> None:
    """Ten questions a second during five minutes of outage: without a breaker each would wait for 15 s."""
    async with hook_rig() as rig:
        rig.backend.script("*", hang)
        waits: list[float] = []

        async def one() -> None:
            waits.append((await ask(rig))[1])

        async with trio.open_nursery() as nursery:
            for _ in range(300 * 10):
                nursery.start_soon(one)
                await trio.sleep(0.1)
        assert sum(waits) / len(waits) < 1.2
        rig.backend.script("*", echo)
        await trio.sleep(12)
        assert await ask(rig, publishStream=FAIL) == (Allow(body={}), 0)

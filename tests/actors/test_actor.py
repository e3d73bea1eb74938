"""The actor: one mailbox, a latch for its end, and an end that always comes once."""

from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, frozen

from actors.runtime.actor import CRASHED, Actor, ActorStopped, MailboxFull, Request, StopReason, crash_guard, stop_all

ENOUGH = StopReason(cause="enough")
LATER = StopReason(cause="later")


@frozen(kw_only=True)
class Note:
    text: str


@define(eq=False, kw_only=True)
class Question(Request[int]):
    number: int


class Recorder(Actor[Any]):
    """Writes down what happens to it. `hang` blocks its handler; `fail` makes a phase raise."""

    mailbox_size = 2
    cleanup_timeout = 1.0

    def __init__(self, *, hang: bool = False, fail: str = "") -> None:
        super().__init__()
        self.events: list[str] = []
        self.handling = trio.Event()
        self._hang = hang
        self._fail = fail

    async def on_start(self) -> None:
        self._note("start")

    async def handle(self, message: Any) -> None:
        self.handling.set()
        if self._hang:
            await trio.sleep_forever()
        match message:
            case Note():
                self._note(message.text)
            case Question():
                message.reply(message.number * 2)

    def teardown(self, reason: StopReason) -> None:
        self._note(f"teardown {reason.cause}")

    async def on_stop(self, reason: StopReason) -> None:
        self._note(f"stop {reason.cause}")
        if self._fail == "slow-stop":
            await trio.sleep_forever()

    def _note(self, event: str) -> None:
        self.events.append(event)
        if self._fail and event.startswith(self._fail):
            raise ValueError(event)


async def test_messages_are_handled_in_order_and_the_end_comes_in_three_phases(autojump_clock: trio.abc.Clock) -> None:
    actor = Recorder()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        for text in ("one", "two", "three"):
            actor.post(Note(text=text))
            await trio.testing.wait_all_tasks_blocked()
        actor.stop(ENOUGH)
        assert actor.events[-1] == "teardown enough", "teardown happens inside stop()"
    assert actor.events == ["start", "one", "two", "three", "teardown enough", "stop enough"]
    assert actor.stopped.is_set()


async def test_the_first_reason_wins(autojump_clock: trio.abc.Clock) -> None:
    actor = Recorder()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        await trio.testing.wait_all_tasks_blocked()
        actor.stop(ENOUGH)
        actor.stop(LATER)
    assert actor.reason is ENOUGH
    assert actor.events == ["start", "teardown enough", "stop enough"]


async def test_stop_overtakes_a_hanging_handler_and_a_full_mailbox(autojump_clock: trio.abc.Clock) -> None:
    actor = Recorder(hang=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        actor.post(Note(text="hangs"))
        await actor.handling.wait()
        actor.post(Note(text="waits"))
        actor.post(Note(text="waits too"))
        with pytest.raises(MailboxFull):
            actor.post(Note(text="no room"))
        actor.stop(ENOUGH)
    assert actor.events == ["start", "teardown enough", "stop enough"]
    assert actor.peak_mailbox == 2


async def test_a_message_handed_over_in_the_moment_of_the_stop_is_not_handled(autojump_clock: trio.abc.Clock) -> None:
    actor, question = Recorder(), Question(number=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        await trio.testing.wait_all_tasks_blocked()
        actor.post(question)
        actor.stop(ENOUGH)
    assert actor.events == ["start", "teardown enough", "stop enough"]
    assert not actor.handling.is_set()
    with pytest.raises(ActorStopped):
        await question.answer()


async def test_stop_before_the_task_runs_skips_the_work(autojump_clock: trio.abc.Clock) -> None:
    actor = Recorder()
    actor.stop(ENOUGH)
    await actor.run()
    assert actor.events == ["teardown enough", "stop enough"]


async def test_an_ask_is_answered(autojump_clock: trio.abc.Clock) -> None:
    actor = Recorder()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        assert await actor.ask(Question(number=21), timeout=1) == 42
        actor.stop(ENOUGH)


async def test_asks_queued_or_in_hand_when_the_actor_stops_are_answered_too(autojump_clock: trio.abc.Clock) -> None:
    actor = Recorder(hang=True)
    refused = []

    async def ask(number: int) -> None:
        with pytest.raises(ActorStopped):
            await actor.ask(Question(number=number), timeout=60)
        refused.append(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        for number in range(5):  # one in hand, two in the mailbox, two waiting for room
            nursery.start_soon(ask, number)
        await actor.handling.wait()
        await trio.testing.wait_all_tasks_blocked()
        actor.stop(ENOUGH)
    assert sorted(refused) == [0, 1, 2, 3, 4]
    with pytest.raises(ActorStopped):
        actor.post(Note(text="too late"))


async def test_an_ask_that_is_never_answered_ends_with_its_deadline(autojump_clock: trio.abc.Clock) -> None:
    actor = Recorder(hang=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        with pytest.raises(trio.TooSlowError):
            await actor.ask(Question(number=1), timeout=3)
        actor.stop(ENOUGH)


async def test_a_domain_error_reaches_the_asker(autojump_clock: trio.abc.Clock) -> None:
    class Refuser(Actor[Question]):
        async def handle(self, message: Question) -> None:
            message.fail(KeyError("no such number"))

    actor = Refuser()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        with pytest.raises(KeyError, match="no such number"):
            await actor.ask(Question(number=1), timeout=3)
        actor.stop(ENOUGH)


@pytest.mark.parametrize("phase", ["start", "boom", "stop"])
async def test_a_crash_in_any_phase_still_tears_down_and_stops(phase: str, autojump_clock: trio.abc.Clock) -> None:
    actor = Recorder(fail=phase)
    crashes: list[BaseException] = []
    async with trio.open_nursery() as nursery:

        async def guarded() -> None:
            with crash_guard(crashes.append):
                await actor.run()

        nursery.start_soon(guarded)
        await trio.testing.wait_all_tasks_blocked()
        if phase == "boom":
            actor.post(Note(text="boom"))
        elif phase == "stop":
            actor.stop(ENOUGH)
    assert len(crashes) == 1
    assert actor.stopped.is_set()
    cause = "enough" if phase == "stop" else CRASHED.cause
    assert actor.events[-2:] == [f"teardown {cause}", f"stop {cause}"]


async def test_a_crash_in_teardown_is_the_actors_own_not_that_of_whoever_stopped_it(
    autojump_clock: trio.abc.Clock,
) -> None:
    actor = Recorder(fail="teardown")
    crashes: list[BaseException] = []
    async with trio.open_nursery() as nursery:

        async def guarded() -> None:
            with crash_guard(crashes.append):
                await actor.run()

        nursery.start_soon(guarded)
        await trio.testing.wait_all_tasks_blocked()
        actor.stop(ENOUGH)  # does not raise
    assert len(crashes) == 1
    assert actor.events == ["start", "teardown enough", "stop enough"]


class Polite(Recorder):
    """One that says farewell, into a diary that several share."""

    def __init__(self, name: str, diary: list[str], *, fail: str = "") -> None:
        super().__init__(fail=fail)
        self._name = name
        self._diary = diary

    def notify_stopped(self, reason: StopReason) -> None:
        self._note(f"farewell {reason.cause}")

    def report_stopped(self, reason: StopReason) -> None:
        self._note(f"report {reason.cause}")

    def _note(self, event: str) -> None:
        self._diary.append(f"{self._name}: {event}")
        super()._note(event)


async def test_of_many_that_stop_all_say_farewell_before_any_is_torn_down(autojump_clock: trio.abc.Clock) -> None:
    diary: list[str] = []
    actors = [Polite(name, diary) for name in "abc"]
    async with trio.open_nursery() as nursery:
        for actor in actors:
            nursery.start_soon(actor.run)
        await trio.testing.wait_all_tasks_blocked()
        actors[1].stop(LATER)
        diary.clear()
        stop_all(actors, ENOUGH)
        assert diary == [f"{name}: {step} enough" for step in ("farewell", "report", "teardown") for name in "ac"]
    assert [actor.reason for actor in actors] == [ENOUGH, LATER, ENOUGH]


async def test_a_crash_in_the_farewell_hinders_neither_the_teardown_nor_the_others(
    autojump_clock: trio.abc.Clock,
) -> None:
    diary: list[str] = []
    actors = [Polite("a", diary, fail="farewell"), Polite("b", diary)]
    crashes: list[BaseException] = []
    async with trio.open_nursery() as nursery:

        async def guarded(actor: Polite) -> None:
            with crash_guard(crashes.append):
                await actor.run()

        for actor in actors:
            nursery.start_soon(guarded, actor)
        await trio.testing.wait_all_tasks_blocked()
        stop_all(actors, ENOUGH)
    assert [str(crash) for crash in crashes] == ["farewell enough"]
    for actor in actors:
        assert actor.events == ["start", "farewell enough", "report enough", "teardown enough", "stop enough"]


async def test_one_that_crashes_says_farewell_too(autojump_clock: trio.abc.Clock) -> None:
    actor = Polite("a", [], fail="start")
    with crash_guard(lambda _: None):
        await actor.run()
    assert actor.events == ["start", "farewell crash", "report crash", "teardown crash", "stop crash"]


async def test_a_crash_of_a_helper_task_ends_the_actor(autojump_clock: trio.abc.Clock) -> None:
    class WithHelper(Recorder):
        async def on_start(self) -> None:
            self.nursery.start_soon(self._break)

        async def _break(self) -> None:
            raise ValueError("helper")

    actor = WithHelper()
    crashes: list[BaseException] = []
    with crash_guard(crashes.append):
        await actor.run()
    assert len(crashes) == 1
    assert actor.events == ["teardown crash", "stop crash"]


async def test_on_stop_is_bounded(autojump_clock: trio.abc.Clock) -> None:
    actor = Recorder(fail="slow-stop")
    actor.stop(ENOUGH)
    started = trio.current_time()
    await actor.run()
    assert trio.current_time() - started == pytest.approx(actor.cleanup_timeout)
    assert actor.stopped.is_set()


@pytest.mark.parametrize("before_it_runs", [False, True])
async def test_abort_waits_for_nothing(before_it_runs: bool, autojump_clock: trio.abc.Clock) -> None:
    actor = Recorder(fail="slow-stop")
    actor.stop(ENOUGH)
    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor.run)
        if not before_it_runs:
            await trio.testing.wait_all_tasks_blocked()
            assert actor.events[-1] == "stop enough"
        actor.abort()
    assert trio.current_time() == started
    assert actor.events == ["teardown enough", "stop enough"]
    assert actor.stopped.is_set()


async def test_cancellation_from_outside_cleans_up_and_goes_on_as_cancellation(autojump_clock: trio.abc.Clock) -> None:
    actor = Recorder(hang=True)
    crashes: list[BaseException] = []
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def guarded() -> None:
                with crash_guard(crashes.append):
                    await actor.run()

            nursery.start_soon(guarded)
            actor.post(Note(text="hangs"))
            await actor.handling.wait()
            scope.cancel()
    assert scope.cancelled_caught
    assert crashes == []
    assert actor.events == ["start", "teardown crash", "stop crash"]


async def test_the_guard_splits_a_crash_from_the_cancellation_around_it() -> None:
    crashes: list[BaseException] = []
    with pytest.raises(BaseExceptionGroup) as caught, crash_guard(crashes.append):
        raise BaseExceptionGroup("both", [ValueError("ours"), KeyboardInterrupt()])
    assert [type(error) for error in caught.value.exceptions] == [KeyboardInterrupt]
    (crash,) = crashes
    assert isinstance(crash, ExceptionGroup)

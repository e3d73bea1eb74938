"""Delivers what the spool keeps, as soon as its backend answers again: in order within a lane, and not all at once.

Each application has its own task while something of it waits. Calls of one backend begin at START_RATE, and faster with
each that is answered, up to FULL_RATE. An answer below 500 is a delivery: who answers 404 will not want it later.

While the backend's breaker is open nothing is sent but its probe, which may be one of these. After a failure there is a
pause. What failed by an answer is passed over until the rest has had its turn, as is what waits behind it in its lane.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import trio
from attrs import define, field

from actors.hooks.breakers import backend_of
from actors.hooks.call_log import HookCall, HookedStream
from actors.hooks.connections.transport import HostName
from actors.hooks.echo import is_echo
from actors.hooks.kept.spool import Spool
from actors.hooks.sender import HookSender
from actors.storage.hook_spool import SpoolFileError
from config.apps import App
from config.settings import HookOrder, Settings
from protocol.common.growing_pause import GrowingPause
from protocol.common.rate_limit import RateLimit
from protocol.hooks import DEFAULT_METHOD_CONFIG, Answered
from protocol.hooks.kept_hook import KeptHook, is_undelivered

PAGE: Final = 50
AT_ONCE: Final = 10
"""Calls under way for one application."""
START_RATE: Final = 10.0
FULL_RATE: Final = 200.0
"""Calls per second that begin, for one backend."""
FASTER_BY: Final = 0.5
"""For each call that is answered."""
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
UNKNOWN_APP_SECONDS: Final = 60.0
"""How often to look whether an application that is gone is there again."""


@define
class _Pace:
    """How fast calls to one backend begin."""

    rate: float = START_RATE
    limit: RateLimit = field(factory=lambda: RateLimit(START_RATE, 1))

    def change(self, rate: float) -> None:
        self.rate = min(rate, FULL_RATE)
        self.limit.change(self.rate, 1)


@define
class _Round:
    """One application's way through what waits for it."""

    key: str
    after: int = 0
    passed_over: set[str] = field(factory=set)
    """Lanes whose next hook has failed in this round."""
    pause: GrowingPause = field(factory=lambda: GrowingPause(FIRST_PAUSE, LONGEST_PAUSE))
    insists: bool = False
    asked: trio.Event = field(factory=trio.Event)
    """Set when an operator wants it to go on now."""
    starts_over: bool = False
    """Whether to begin again after the page that is under way: until then its failures hold up their lanes."""

    def begin_again(self) -> None:
        self.starts_over = False
        self.after = 0
        self.passed_over.clear()


@define
class _PageResult:
    """How the calls of one page went."""

    answered: int = 0
    is_down: bool = False
    """The backend does not answer at all."""
    has_failed: bool = False
    places: trio.Semaphore = field(factory=lambda: trio.Semaphore(AT_ONCE))


class HookReplay:
    """Delivers for all applications. `current_app`: an application by its key, or None."""

    def __init__(
        self, settings: Settings, spool: Spool, sender: HookSender, current_app: Callable[[str], App | None]
    ) -> None:
        self._settings = settings
        self._spool = spool
        self._sender = sender
        self._current_app = current_app
        self._paces: dict[HostName, _Pace] = {}
        self._rounds: dict[str, _Round] = {}

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                for key in self._spool.index.totals:
                    if key not in self._rounds:
                        self._rounds[key] = _Round(key)
                        nursery.start_soon(self._deliver_all, self._rounds[key])
                await self._spool.changed.wait()

    def go_on(self, key: str, *, insists: bool) -> bool:
        """End an application's pause. `insists`: at full speed, and whatever its breaker says. False: nothing waits."""
        round_ = self._rounds.get(key)
        if round_ is None:
            return False
        round_.pause.reset()
        round_.insists |= insists
        round_.starts_over = True
        round_.asked.set()
        return True

    async def _deliver_all(self, round_: _Round) -> None:
        try:
            await self._rest(round_, FIRST_PAUSE)
            while round_.key in self._spool.index.totals:
                app = self._callable_app(round_.key)
                if app is None:
                    await self._rest(round_, UNKNOWN_APP_SECONDS)
                elif not round_.insists and self._sender.breakers.refuses(app):
                    await self._rest(round_, max(self._sender.breakers.seconds_left(app), FIRST_PAUSE / 2))
                else:
                    await self._deliver_some(round_, app)
        finally:
            del self._rounds[round_.key]

    async def _deliver_some(self, round_: _Round, app: App) -> None:
        if round_.starts_over:
            round_.begin_again()
        try:
            hooks = await self._spool.page(round_.key, after=round_.after, limit=PAGE)
        except SpoolFileError:
            await self._rest(round_, LONGEST_PAUSE)
            return
        if not hooks:
            await self._at_the_end(round_)
            return
        waiting = [hook for hook in hooks if self._lane_of(hook) not in round_.passed_over]
        page = await self._deliver_page(waiting, round_, app)
        round_.after = hooks[-1].number
        if page.is_down:
            round_.begin_again()
        if not page.has_failed:
            round_.pause.reset()
            return
        round_.insists = False
        if page.answered:
            round_.pause.reset()
        await self._rest(round_, round_.pause.next())

    async def _at_the_end(self, round_: _Round) -> None:
        if round_.after:
            round_.begin_again()
        else:  # all that waits is under way to the disk, or from it
            await self._spool.changed.wait()

    async def _deliver_page(self, hooks: Iterable[KeptHook], round_: _Round, app: App) -> _PageResult:
        page, by_lane = _PageResult(), defaultdict[str, list[KeptHook]](list)
        for hook in hooks:
            by_lane[self._lane_of(hook)].append(hook)
        async with trio.open_nursery() as nursery:
            for lane in by_lane.values():
                nursery.start_soon(self._deliver_lane, lane, page, round_, app)
        return page

    async def _deliver_lane(self, hooks: Sequence[KeptHook], page: _PageResult, round_: _Round, app: App) -> None:
        for hook in hooks:
            async with page.places:
                await self._take_turn(app, insists=round_.insists)
                is_delivered = not page.is_down and await self._deliver(hook, page, round_, app)
            if not is_delivered:
                round_.passed_over.add(self._lane_of(hook))
                return

    def _lane_of(self, hook: KeptHook) -> str:
        """Those of an earlier run with other settings are in the one order too, if there is one."""
        return "" if self._settings.rest_hook_order is HookOrder.GLOBAL else hook.lane

    async def _take_turn(self, app: App, *, insists: bool) -> None:
        pace = self._pace(app)
        if insists:
            pace.change(FULL_RATE)
        await trio.sleep(pace.limit.charge(trio.current_time()))

    async def _deliver(self, hook: KeptHook, page: _PageResult, round_: _Round, app: App) -> bool:
        timeout = self._settings.rest_request_timeout
        call = _call(hook, app)
        deadline = trio.current_time() + timeout
        progress = self._sender.begin(deadline=deadline, hook_id=hook.hook_id, attempts=hook.attempts)
        outcome = await self._sender.send(
            call, timeout=timeout, deadline=deadline, progress=progress, insists=round_.insists
        )
        pace = self._pace(app)
        if is_undelivered(outcome):
            self._spool.failed(hook, progress.attempt)
            page.has_failed = True
            page.is_down |= not isinstance(outcome, Answered)
            pace.change(START_RATE)
            return False
        page.answered += 1
        pace.change(pace.rate + FASTER_BY)
        self._spool.delivered(hook)
        return True

    async def _rest(self, round_: _Round, seconds: float) -> None:
        with trio.move_on_after(seconds):
            await round_.asked.wait()
        round_.asked = trio.Event()

    def _callable_app(self, key: str) -> App | None:
        app = self._current_app(key)
        if app is None or is_echo(app.url) or self._settings.disable_rest_requests:
            return None
        return app

    def _pace(self, app: App) -> _Pace:
        return self._paces.setdefault(backend_of(app.url), _Pace())


def _stream_of(hook: KeptHook) -> HookedStream | None:
    try:
        body = json.loads(hook.content)
    except ValueError:
        return None
    return HookedStream.of(hook.method, body) if isinstance(body, dict) else None


def _call(hook: KeptHook, app: App) -> HookCall:
    return HookCall(
        app=app,
        method=hook.method,
        session_id=hook.lane,
        body={},
        config=DEFAULT_METHOD_CONFIG,
        stream=_stream_of(hook),
        content=hook.content,
        event_time=hook.event_time,
    )

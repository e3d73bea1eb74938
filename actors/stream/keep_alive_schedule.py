"""Asks the backend of each live stream, at intervals, whether the stream may go on (`StreamKeepAliveEvent`).

One walker serves all streams. A stream's turns are `interval` apart, at an offset derived from its id, so that streams
that started together (after a restart, say) do not ask together. A stream whose last question is still unanswered skips
its turn. It does not delay the others, because each stream has its own slot (`actors.hooks.lanes.lane`).

`protocol.hooks.verdict` judges the answers: under restOnError FAIL, 403 stops the stream and any other failure is
reported to its client; anything else changes nothing. (WCS page "Stopping the video stream on the server side".) Beyond
WCS, an answer of 200 may limit the stream's time and choose the next turn (`protocol.hooks.keep_alive_answer`).
"""

import math
import zlib
from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any, Never, Protocol

import trio

from actors.hooks.lanes.keep_alive_slot import KeepAliveSlot
from actors.runtime.actor import Actor, StopReason, crash_guard
from actors.runtime.logs import get_logger
from actors.runtime.slices import StandingSnapshot, slices
from config.live import follow
from config.settings import Settings
from protocol.hooks import Allow, Deny, HookMethod, Verdict, Warn
from protocol.hooks.keep_alive_answer import KeepAliveTerms
from protocol.hooks.verdicts import TERMINATED_BY_KEEP_ALIVE

log = get_logger("keep-alive")

STEPS_PER_INTERVAL = 50
SHORTEST_STEP = 0.01
LONGEST_STEP = 0.2
LOOKED_AT_ONCE, ASKED_AT_ONCE = 250, 3
"""Streams looked at, and asked for, before other tasks get a turn."""


class KeepAliveTarget(Protocol):
    """A live stream, published or played, as the walker sees it."""

    @property
    def media_session_id(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def app_key(self) -> str: ...
    @property
    def keep_alive_slot(self) -> KeepAliveSlot:
        """From `HookLane.keep_alive_slot`; the stream closes it when it ends."""

    def keep_alive_body(self) -> dict[str, Any]:
        """The hook's current body (`protocol.hooks.stream_body`)."""

    def stop(self, reason: StopReason) -> None:
        """End this stream, and no other: the backend refused to let it go on."""

    def warn(self, method: HookMethod, info: str) -> None:
        """Report a failure that does not affect the stream to the client (ErrorEvent)."""


class StreamKeepAlive(Actor[Never]):
    """The walker. `live_streams` returns the streams that are live at that moment.

    It asks nothing unless `keep_alive_streaming_sessions_enabled`, and skips streams of applications that
    `streaming_sessions_keep_alive_app_keys` does not name. Streams whose time is limited end in any case.
    """

    def __init__(self, settings: Settings, live_streams: Callable[[], Iterable[KeepAliveTarget]]) -> None:
        super().__init__()
        self._live_streams = live_streams
        self._some_expire = False
        """Whether there may be streams whose time is limited: by an answer of a time when keep-alives were on, too."""
        self._changed = trio.Event()  # it may have something to do again
        self._snapshot: StandingSnapshot[KeepAliveTarget] = StandingSnapshot()
        follow(settings, self._adopt)

    def _adopt(self, settings: Settings) -> None:
        is_on = settings.keep_alive_streaming_sessions_enabled
        app_keys = settings.streaming_sessions_keep_alive_app_keys if is_on else ()
        self._walk = Walk(settings.streaming_sessions_keep_alive_interval, app_keys)
        self._changed.set()

    async def on_start(self) -> None:
        """Start the walk; this actor gets no messages."""
        self.nursery.start_soon(self._go_on)

    async def _go_on(self) -> None:
        while True:
            await trio.sleep(self._walk.step)
            walk = self._walk
            if not (walk.is_needed or self._some_expire):
                self._changed = trio.Event()
                await self._changed.wait()
                continue
            await self._go_through(walk)

    async def _go_through(self, walk: "Walk") -> None:
        # Its variables end with it: until the next round, which may never come, no stream is kept that has ended.
        walk.begin()
        self._some_expire = False
        for some in self._snapshot.slices_of(self._live_streams(), LOOKED_AT_ONCE):
            self._end_expired(some)
            for few in slices(walk.due(some, trio.current_time()), ASKED_AT_ONCE):
                for target in few:
                    with crash_guard(partial(_report, target)):  # one stream's fault must not affect the others
                        ask(target, partial(self._agreed, target))
                await trio.lowlevel.checkpoint()
            await trio.lowlevel.checkpoint()

    def _end_expired(self, targets: Iterable[KeepAliveTarget]) -> None:
        now = trio.current_time()
        for target in targets:
            expires_at = target.keep_alive_slot.expires_at
            self._some_expire |= now < expires_at < math.inf
            if expires_at <= now:
                target.stop(StopReason(cause="keep-alive", info=TERMINATED_BY_KEEP_ALIVE))

    def _agreed(self, target: KeepAliveTarget, terms: KeepAliveTerms) -> None:
        if terms.expires_in is not None:
            self._some_expire = True
            self._changed.set()  # the answer may come after keep-alives were turned off
        if terms.next_in is not None:
            self._walk.ask_at(target.media_session_id, trio.current_time() + terms.next_in)


class Walk:
    """Whose turn it is. Every `step` seconds, call `begin`, and then `due` with all live streams, some at a time."""

    def __init__(self, interval: float, app_keys: Collection[str]) -> None:
        self.step = min(max(interval / STEPS_PER_INTERVAL, SHORTEST_STEP), LONGEST_STEP)
        self._interval = interval
        self._app_keys = frozenset(app_keys)
        self._next_turn: dict[str, float] = {}
        self._before: dict[str, float] = {}
        self._asked_for: dict[str, float] = {}
        """Turns that a backend has asked for in place of the next one."""

    @property
    def is_needed(self) -> bool:
        """Whether any stream may get a turn."""
        return bool(self._app_keys)

    def begin(self) -> None:
        """Start a round. Streams that the last round has not seen are forgotten."""
        self._before, self._next_turn = self._next_turn, {}
        self._asked_for = {key: turn for key, turn in self._asked_for.items() if key in self._before}

    def ask_at(self, key: str, turn: float) -> None:
        """Have the next turn of a stream at that time; those that follow are an interval apart again."""
        self._asked_for[key] = turn

    def due(self, targets: Iterable[KeepAliveTarget], now: float) -> list[KeepAliveTarget]:
        """Those of `targets` whose turn has come."""
        before = self._before
        found = []
        for target in targets:
            if target.app_key not in self._app_keys:
                continue
            key = target.media_session_id
            last = before.pop(key, None)  # what is left at the end of a round is little to free
            turn = self._asked_for.pop(key, last)
            if turn is None:
                turn = now + self._interval * _fraction(key)
            elif turn <= now:
                found.append(target)
                # Turns missed because the walk was delayed are not made up.
                turn += self._interval * ((now - turn) // self._interval + 1)
            self._next_turn[key] = turn
        return found


def ask(target: KeepAliveTarget, agreed: Callable[[KeepAliveTerms], object] = bool) -> None:
    """Ask for one stream, unless its last question is unanswered, and act on the answer. `agreed` gets its terms."""
    if not target.keep_alive_slot.is_ready:
        return

    def act(judged: Verdict) -> None:
        match judged:
            case Allow(terms=terms):
                agreed(terms)
            case Deny(info=info):
                target.stop(StopReason(cause="keep-alive", info=info))
            case Warn(info=info):
                target.warn(HookMethod.STREAM_KEEP_ALIVE_EVENT, info)

    target.keep_alive_slot.send(target.keep_alive_body(), act)


def _report(target: KeepAliveTarget, error: BaseException) -> None:
    log.error("keep-alive crashed", id=target.media_session_id, session=target.session_id, crash=error)


def _fraction(key: str) -> float:
    """A number in (0, 1], always the same for the same key and evenly distributed over different keys."""
    return (zlib.crc32(key.encode(errors="surrogatepass")) + 1) / 2**32

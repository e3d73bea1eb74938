"""The actor: one task, one mailbox, one owner of its state.

    post, ask    -> [ mailbox ] -> handle()                          one message after the other
    stop(reason) -> latch, notify_stopped(), teardown(), cancel      bypasses the mailbox and a handler that hangs

An actor runs through three phases, in this order and once each:

    working     `on_start`, then `handle` for each message; helper tasks live in `self.nursery`
    teardown    `withdraw(reason)` takes it away from others (its name, its packets), `notify_stopped(reason)` tells the
                peer, `report_stopped(reason)` all others, `teardown(reason)` does the rest of what must not wait (close
                the media): all synchronous
    stopping    `on_stop(reason)`: cleanup that may wait, shielded from cancellation and bounded by `cleanup_timeout`

Teardown happens inside `stop()` itself, before it returns, or, after a crash, as soon as the working phase ends.
To stop thousands, `stop` is divided: `cut_off` is the latch and `withdraw`, `tell_end` also `notify_stopped`,
`begin_stop` also `report_stopped`, and each may come some passes of the event loop after the one before. An actor that
is cut off takes no messages, and its task does not go on; see `go_on`.
Nothing here restarts an actor: a stream or a session whose task died has lost its peer.
"""

import contextlib
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

import trio
from attrs import define, evolve, field, frozen

from actors.runtime.loop_clock import real_time
from actors.runtime.timeouts import fail_after
from protocol.access.kicks import Kick

M = TypeVar("M")
R = TypeVar("R")


class ActorStopped(Exception):
    """The actor has stopped, or is stopping: it accepts no more messages and answers no more requests."""


class MailboxFull(Exception):
    """The mailbox is full: the actor cannot keep up with those who post to it."""


@frozen(kw_only=True)
class StopReason:
    """Why an actor ends. `cause` is a short slug for logs; `info` is the text that the peer and the backend read."""

    cause: str
    info: str = ""
    kick: Kick | None = field(default=None, eq=False)
    """What else was ordered together with this end."""

    def with_kick(self, kick: Kick | None) -> "StopReason":
        """This reason, with what is ordered besides; its `info` may be another."""
        return self if kick is None else evolve(self, info=kick.reason or self.info, kick=kick)


CRASHED = StopReason(cause="crash", info="Failed by error")
"""The reason of an actor whose own code failed, or whose task was cancelled from outside before anyone stopped it."""


SHUTDOWN = StopReason(cause="shutdown")
"""The reason of every actor still working when the server is told to stop."""


@define(eq=False, kw_only=True)
class Request(Generic[R]):
    """A message that wants an answer of type R. The receiver calls `reply` or `fail` exactly once."""

    _answered: trio.Event = field(init=False, factory=trio.Event)
    _value: R | None = field(init=False, default=None)
    _error: Exception | None = field(init=False, default=None)

    def reply(self, value: R) -> None:
        """Give the answer. The first answer counts; one that comes after it is ignored."""
        if not self._answered.is_set():
            self._value = value
            self._answered.set()

    def fail(self, error: Exception) -> None:
        """Answer with a domain error, raised in the asker."""
        if not self._answered.is_set():
            self._error = error
            self._answered.set()

    async def answer(self) -> R:
        """Wait for the answer."""
        await self._answered.wait()
        if self._error is not None:
            raise self._error
        return cast(R, self._value)


class Actor(Generic[M]):
    """Base of every actor. Subclasses override `on_start`, `handle`, `teardown`, `on_stop`."""

    mailbox_size: ClassVar[int] = 16
    cleanup_timeout: ClassVar[float] = 5.0
    """Seconds that `on_stop` may take before it is cancelled."""

    def __init__(self) -> None:
        self.stopped = trio.Event()
        self.started_at = real_time()
        self.peak_mailbox = 0
        self._send, self._receive = trio.open_memory_channel[M](self.mailbox_size)
        self._work = trio.CancelScope()
        self._grace: trio.CancelScope | None = None
        self._aborted = False
        self._reason: StopReason | None = None
        self._has_notified = False
        self.has_told = False
        """Whether `report_stopped`, too, has begun."""
        self._torn_down = False
        self._teardown_error: Exception | None = None
        self._unanswered: Request[Any] | None = None
        self._nursery: trio.Nursery | None = None

    # -- what others call --------------------------------------------------------------------------

    @property
    def reason(self) -> StopReason | None:
        """Why this actor ends; None while it works."""
        return self._reason

    def post(self, message: M) -> None:
        """Leave a message, never waiting. Raises MailboxFull or ActorStopped."""
        try:
            self._send.send_nowait(message)
        except trio.WouldBlock:
            raise MailboxFull(repr(self)) from None
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            raise ActorStopped(repr(self)) from None
        self._note_mailbox()

    async def ask(self, request: Request[R], *, timeout: float) -> R:
        """Send a request, waiting for room in the mailbox, and wait for its answer: at most `timeout` seconds in all.

        Raises trio.TooSlowError, ActorStopped (queued requests included) or the error given to `Request.fail`.
        """
        with fail_after(timeout):
            try:
                await self._send.send(cast(M, request))
            except (trio.ClosedResourceError, trio.BrokenResourceError):
                raise ActorStopped(repr(self)) from None
            self._note_mailbox()
            return await request.answer()

    def stop(self, reason: StopReason) -> None:
        """End this actor, at once and without waiting. The first reason wins; later calls change nothing."""
        self.begin_stop(reason)
        self._tear_down()
        self._work.cancel()

    def cut_off(self, reason: StopReason) -> None:
        """The beginning of `stop`: `withdraw`. The caller must call `begin_stop` and `stop` soon after."""
        if self._reason is None:
            self._reason = reason
            self._end_by(self.withdraw)

    def tell_end(self, reason: StopReason) -> None:
        """`cut_off` and `notify_stopped`. The caller must call `begin_stop` and `stop` soon after."""
        self.cut_off(reason)
        if not self._has_notified:
            self._has_notified = True
            self._end_by(self.notify_stopped)

    def begin_stop(self, reason: StopReason) -> None:
        """The first half of `stop`: `tell_end` and `report_stopped`. The caller must call `stop` soon after."""
        self.tell_end(reason)
        if not self.has_told:
            self.has_told = True
            self._end_by(self.report_stopped)

    def abort(self) -> None:
        """Stop waiting for anything, `on_stop` included. For an actor that has been stopped and takes too long."""
        self._aborted = True
        self._work.cancel()
        if self._grace is not None:
            self._grace.cancel()

    # -- what subclasses fill in -------------------------------------------------------------------

    async def on_start(self) -> None:
        """Runs before the first message is handled."""

    async def handle(self, message: M) -> None:
        """Handle one message; a Request in it is answered by its `reply`."""

    def withdraw(self, reason: StopReason) -> None:
        """Takes it away from others. Synchronous, called once, also after a crash; the first step of every end."""

    def notify_stopped(self, reason: StopReason) -> None:
        """Tells the peer about the end. Same rules as `withdraw`; comes right after it."""

    def report_stopped(self, reason: StopReason) -> None:
        """Tells everybody else about the end. Same rules as `withdraw`; of many that stop, all peers are told first."""

    def teardown(self, reason: StopReason) -> None:
        """Does what else must have happened when `stop` returns. Same rules as `withdraw`."""

    async def on_stop(self, reason: StopReason) -> None:
        """Cleanup that may wait. Shielded, cancelled after `cleanup_timeout` seconds."""

    def drop_references(self) -> None:
        """The last step: drop whatever refers back to this actor, so it is freed now and not by a full collection."""

    async def go_on(self) -> None:
        """To be called after each wait of this actor's task, before it acts on the result: a stop may have come too.

        Does not return once the actor has been stopped: then the task is cancelled, or will be.
        """
        if self._reason is not None:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint_if_cancelled()

    def end_log_fields(self) -> dict[str, object]:
        """Fields of the log line about this actor's end, besides its cause, duration and peak mailbox."""
        return {}

    @property
    def nursery(self) -> trio.Nursery:
        """For helper tasks, which post messages and never touch the actor's fields. Open while the actor works."""
        if self._nursery is None:
            raise RuntimeError(f"{self!r} is not running")
        return self._nursery

    # -- the only loop -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Work until stopped, then clean up. The caller handles the exception of a crash."""
        try:
            with self._work:
                await self._work_until_stopped()
        finally:
            reason = self._latch()
            try:
                with trio.move_on_after(0 if self._aborted else self.cleanup_timeout, shield=True) as self._grace:
                    await self.on_stop(reason)
            finally:
                self._close_mailbox()
                self._nursery = None
                self.drop_references()
                self.stopped.set()
        if self._teardown_error is not None:
            raise self._teardown_error

    async def _work_until_stopped(self) -> None:
        async with trio.open_nursery() as self._nursery:
            try:
                if self._reason is None:
                    await self.on_start()
                    async for message in self._receive:
                        await self._handle_one(message)
            finally:
                self._latch()
                self._nursery.cancel_scope.cancel()

    async def _handle_one(self, message: M) -> None:
        self._unanswered = message if isinstance(message, Request) else None
        # A message received in the moment of the stop comes after teardown: nobody would end what it starts.
        if self._reason is None:
            await self.handle(message)
            self._unanswered = None

    # -- inside ------------------------------------------------------------------------------------

    def _latch(self) -> StopReason:
        self.begin_stop(CRASHED)
        self._tear_down()
        return self._reason or CRASHED

    def _tear_down(self) -> None:
        if not self._torn_down:
            self._torn_down = True
            self._end_by(self.teardown)

    def _end_by(self, step: Callable[[StopReason], None]) -> None:
        # A step that fails is this actor's crash, not its stopper's, and does not prevent the other step.
        try:
            step(self._reason or CRASHED)
        except Exception as error:
            self._teardown_error = self._teardown_error or error

    def _note_mailbox(self) -> None:
        self.peak_mailbox = max(self.peak_mailbox, self._receive.statistics().current_buffer_used)

    def _close_mailbox(self) -> None:
        if self._unanswered is not None:
            self._unanswered.fail(ActorStopped(repr(self)))
        with contextlib.suppress(trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
            while True:
                message = self._receive.receive_nowait()
                if isinstance(message, Request):
                    message.fail(ActorStopped(repr(self)))
        self._receive.close()


class Stoppable(Protocol):
    """What `stop_all` needs of an actor."""

    def tell_end(self, reason: StopReason) -> None: ...
    def begin_stop(self, reason: StopReason) -> None: ...
    def stop(self, reason: StopReason) -> None: ...


def stop_all(actors: Iterable[Stoppable], reason: StopReason) -> None:
    """Stop many before returning. All peers are told first: none waits for what else is done about other actors."""
    stopped = tuple(actors)
    for actor in stopped:
        actor.tell_end(reason)
    for actor in stopped:
        actor.begin_stop(reason)
    for actor in stopped:
        actor.stop(reason)


class crash_guard:  # noqa: N801 - used as the context managers of the standard library are
    """Keeps a child's crash from its siblings: reports ordinary errors, lets cancellation and the like pass.

    A group may contain both (a child that fails while it is being cancelled), so the group is split. A class, because
    a generator would keep what it swallows in memory; see `actors.net.tcp_stream`.
    """

    def __init__(self, report: Callable[[BaseException], None]) -> None:
        self._report = report

    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        if isinstance(error, BaseExceptionGroup):
            crashed, rest = error.split(Exception)
            if crashed is not None:
                self._report(crashed)
            if rest is not None:
                raise rest from None
            return True
        if isinstance(error, Exception):
            self._report(error)
            return True
        return False

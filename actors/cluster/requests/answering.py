"""What this node does when another one asks, and what it does later if it could not hear the request.

A request to end something is also in a log that Redis keeps: a node that was cut off reads what it has missed, and does
it to those streams and sessions that are older than the request. Each request is done once.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Protocol

import trio
from attrs import evolve

from actors.cluster.membership import Membership
from actors.cluster.registry.registry import Registry, RegistryUnavailable
from actors.cluster.requests.executing import CannotAnswer, Executor, reason_of
from actors.node.supervisor import Supervisor
from actors.runtime.actor import crash_guard
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.loop_clock import real_time
from protocol.cluster.members import Beat
from protocol.cluster.messages import (
    NOT_KEPT,
    REPEATED,
    Ask,
    EndConnections,
    EndStreams,
    NodeReply,
    NodeRequest,
    Notice,
    NotUnderstood,
    decode_message,
    in_parts,
)
from protocol.cluster.once import DoneOnce, Repeat
from protocol.cluster.scripts import LogEntry, is_log_id, log_order, log_time
from protocol.node.filters import ConnectionFilter

log = get_logger("cluster")

MOST_REQUESTS = 200
"""Requests of other nodes that are carried out at a time; a further one gets no answer."""
WAIT_SHARE = 0.7
"""Of the time that the other node waits, how much may pass until what was ended is gone."""
HEARD_WITHIN_MS = 2_000
"""A request in the log that is younger is left to be heard: who asks still waits for the answer."""
OLDEST_MS = 3_600_000
"""A request in the log that is older than this is not carried out any more."""


class Replies(Protocol):
    """Who gathers replies."""

    def take(self, reply: NodeReply) -> None: ...


class Answering:
    """See above."""

    def __init__(
        self,
        registry: Registry,
        membership: Membership,
        *,
        executor: Executor,
        node_id: str,
        supervisor: Supervisor,
        replies: Replies,
    ) -> None:
        self.answered = 0
        self.caught_up = 0
        """Requests that were missed first, and carried out later."""
        self.on_notice: Callable[[Notice], None] = lambda notice: None
        self.refused = 0
        """Messages that were not understood, and requests for which there was no room."""
        self._registry, self._membership = registry, membership
        self._executor, self._node_id, self._supervisor = executor, node_id, supervisor
        self._replies = replies
        self._running = 0
        self._nursery: trio.Nursery | None = None
        self._missed = MissedRequests()
        self._once = DoneOnce()
        self._log = RateLimitedLog(log, clock=trio.current_time)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry out requests until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    def hear(self, log_id: str | None, text: str) -> None:
        """A message of another member, or of this one to all. Never waits."""
        message = self._decoded(text)
        match message:
            case NodeReply():
                self._replies.take(message)
            case Notice():
                self.on_notice(message)
            case NodeRequest() if message.sender != self._membership.member:
                self._hear_request(log_id, message)
            case NodeRequest() if log_id is not None:
                self._missed.note(log_id)  # this node has done it before it asked the others

    def _hear_request(self, log_id: str | None, request: NodeRequest) -> None:
        if self._nursery is None or self._running >= MOST_REQUESTS:
            self.refused += 1  # of the log: it was not heard, so it is carried out later
            self._log.warning("request of another node refused", limit=MOST_REQUESTS)
        elif log_id is None or self._missed.note(log_id):
            self._running += 1
            self._nursery.start_soon(self._answer, request)

    def beaten(self, beat: Beat) -> None:
        """A beat was answered: read what was missed."""
        if self._nursery is None:
            return
        self._missed.begin(beat.now_ms - self._uptime_ms(), beat)
        if self._missed.is_behind(beat.last_log_id) and not self._missed.is_reading:
            self._missed.is_reading = True
            self._nursery.start_soon(self._catch_up)

    # -- requests that are heard -------------------------------------------------------------------

    async def _answer(self, request: NodeRequest) -> None:
        try:
            with crash_guard(lambda error: log.error("request of another node crashed", crash=error)):
                await self._carry_out(request)
        finally:
            self._running -= 1

    async def _carry_out(self, request: NodeRequest) -> None:
        known = self._once.begin(request.id, trio.current_time()) if isinstance(request.ask, REPEATED) else None
        if known is Repeat.UNDER_WAY:
            return
        try:
            if known is None:
                await self._do(request)
            else:
                await self._send(request, known)
        except (CannotAnswer, RegistryUnavailable) as error:
            log.debug("request of another node not answered", error=error)
            return
        self.answered += 1

    async def _do(self, request: NodeRequest) -> None:
        is_kept = not isinstance(request.ask, NOT_KEPT)
        try:
            texts = await self._reply_to(request)
            if not is_kept:
                await self._send(request, texts)
        except BaseException:
            self._once.not_done(request.id)  # also if it crashed: who repeats it is not to wait for nothing
            raise
        if is_kept:
            self._once.done(request.id, texts)
            await self._send(request, texts)
        else:
            self._once.sent(request.id, trio.current_time())

    async def _send(self, request: NodeRequest, texts: Iterable[str]) -> None:
        for text in texts:
            await self._registry.reply(request.sender, text)

    async def _reply_to(self, request: NodeRequest) -> tuple[str, ...]:
        deadline = trio.current_time() + request.wait_ms / 1000 * WAIT_SHARE
        blank = NodeReply(id=request.id, sender=self._membership.member or "", node_id=self._node_id)
        reply = await self._executor.carry_out(request.sender, request.ask, blank, deadline)
        return tuple(part.encode() for part in in_parts(reply))

    def _decoded(self, text: str) -> NodeRequest | NodeReply | Notice | None:
        try:
            return decode_message(text)
        except NotUnderstood as error:
            self.refused += 1
            self._log.warning("message of another node not understood", error=error)
            return None

    # -- requests that were missed -----------------------------------------------------------------

    async def _catch_up(self) -> None:
        with crash_guard(lambda error: log.error("request of another node crashed", crash=error)):
            await self._read_missed()

    async def _read_missed(self) -> None:
        try:
            while entries := await self._registry.read_log(self._missed.floor):
                missed = [entry for entry in entries if self._age_ms(entry) >= HEARD_WITHIN_MS]
                for entry in missed:
                    if self._missed.is_new(entry.id):
                        self._do_later(entry)
                if missed:
                    self._missed.advance(missed[-1].id)
                if len(missed) < len(entries):
                    return  # the others may still be heard, and then be answered: the next beat looks again
        except RegistryUnavailable:
            pass  # the next beat begins it again
        finally:
            self._missed.is_reading = False

    def _do_later(self, entry: LogEntry) -> None:
        """Do it to what is older than the request."""
        age_ms = self._age_ms(entry)
        message = self._decoded(entry.text) if age_ms < OLDEST_MS else None
        if not isinstance(message, NodeRequest) or message.sender == self._membership.member:
            return
        count = self._end_older(message.ask, real_time() - age_ms / 1000)
        self.caught_up += 1
        log.info("request of another node carried out late", ended=count, seconds=round(age_ms / 1000, 1))

    def _age_ms(self, entry: LogEntry) -> float:
        return self._membership.redis_now_ms() - log_time(entry.id)

    def _end_older(self, ask: Ask, since: float) -> int:
        match ask:
            case EndStreams():
                hits = [each for each in self._supervisor.matching(ask.filter) if each.started_at <= since]
                ids = frozenset(each.media_session_id for each in hits)
                self._supervisor.terminate(evolve(ask.filter, media_session_ids=ids), reason_of(ask.end))
                return len(ids)
            case EndConnections():
                older = [each for each in self._supervisor.sessions() if each.started_at <= since]
                found = [each.session_id for each in older if ask.filter.matches(each.describe())]
                for session_id in found:
                    self._supervisor.terminate_connections(ConnectionFilter(session_id=session_id), reason_of(ask.end))
                return len(found)
        return 0

    def _uptime_ms(self) -> float:
        return (real_time() - self._executor.node.started_at) * 1000


class MissedRequests:
    """Which requests of the log have been done: those up to the floor, and some after it that were heard."""

    def __init__(self) -> None:
        self.floor = ""
        """Empty: not known yet."""
        self.is_reading = False
        self._heard: OrderedDict[str, None] = OrderedDict()

    def begin(self, since_ms: float, beat: Beat) -> None:
        """What is older concerns nothing on this node."""
        if not self.floor:
            self.floor = f"{max(0, int(since_ms))}-0"
        elif log_time(self.floor) > beat.now_ms and log_order(self.floor) > log_order(beat.last_log_id):
            self.floor = beat.last_log_id  # Redis's clock has gone back: what comes next may have a lower id

    def note(self, log_id: str) -> bool:
        """It was heard; whether it is to be done now: not if it was found in the log before."""
        if not is_log_id(log_id):
            return True
        if self.floor and log_order(log_id) <= log_order(self.floor):
            return False
        self._heard[log_id] = None
        while len(self._heard) > MOST_HEARD:
            self._heard.popitem(last=False)
        return True

    def is_behind(self, last: str) -> bool:
        """Whether the log, which ends with `last`, has entries that may not have been heard."""
        return bool(self.floor) and log_order(last) > log_order(self.floor)

    def is_new(self, log_id: str) -> bool:
        return log_id not in self._heard

    def advance(self, log_id: str) -> None:
        """Everything up to here is done."""
        self.floor = log_id
        for heard in [each for each in self._heard if log_order(each) <= log_order(log_id)]:
            del self._heard[heard]


MOST_HEARD = 20_000
"""More than the log keeps."""

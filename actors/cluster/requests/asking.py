"""Requests to other members, and their replies gathered until all have come, enough is known, or time is up."""

import math
import uuid
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

import trio
from attrs import frozen

from actors.cluster.membership import Membership
from actors.cluster.registry.registry import Registry, RegistryUnavailable
from protocol.cluster.messages import Ask, NodeReply, NodeRequest, joined
from protocol.common.growing_pause import GrowingPause

MOST_PARTS = 1_000
"""Parts of one reply."""
REPEAT_AFTER, REPEAT_AT_MOST = 0.3, 1.2
"""Seconds until what is asked surely, and has not been answered, is asked again: at first, and later."""
IsEnough = Callable[[int], bool]


@frozen(kw_only=True)
class Gathered:
    """What has come back."""

    asked: tuple[str, ...]
    """The other members; none if they are not known."""
    replies: tuple[NodeReply, ...]
    """One of each that has answered in full."""
    is_cut_off: bool = False
    """Whether Redis did not take the request."""

    @property
    def count(self) -> int:
        """How many matched, on the others together."""
        return sum(reply.count for reply in self.replies)

    @property
    def answered(self) -> Collection[str]:
        return {reply.sender for reply in self.replies}


class Asking:
    """See above."""

    def __init__(self, registry: Registry, membership: Membership) -> None:
        self.asked = 0
        self.repeated = 0
        self.unanswered = 0
        """Members that did not answer in time."""
        self._registry = registry
        self._membership = membership
        self._open: dict[str, _Gathering] = {}

    async def ask_all(
        self,
        ask: Ask,
        *,
        timeout: float,
        logged: bool = False,
        surely: bool = False,
        is_enough: IsEnough = lambda count: False,
    ) -> Gathered:
        """Ask every other member. `logged`: those that cannot hear it now do it later. `surely`: repeat it (REPEATED).

        `is_enough`: whether nothing more can come after so many matches, in the replies of all others together.
        """
        member = self._membership.member
        if member is None:
            return Gathered(asked=(), replies=(), is_cut_off=True)
        request, gathering = self._begin(ask, member, timeout, is_enough)
        try:
            with trio.move_on_after(timeout):
                sent = await self._registry.send(request.encode(), logged=logged)
                self._membership.hear_of(sent.members)
                gathering.expect(each for each in sent.members if each != member)
                await self._await_all(gathering, request if surely else None)
        except RegistryUnavailable:
            return Gathered(asked=(), replies=(), is_cut_off=True)
        finally:
            del self._open[request.id]
        return self._gathered(gathering)

    async def _await_all(self, gathering: "_Gathering", repeated: NodeRequest | None) -> None:
        pause = GrowingPause(REPEAT_AFTER, REPEAT_AT_MOST)
        while not gathering.done.is_set():
            with trio.move_on_after(math.inf if repeated is None else pause.next()):
                await gathering.done.wait()
            if repeated is not None:
                await self._tell_again(gathering, repeated)

    async def _tell_again(self, gathering: "_Gathering", request: NodeRequest) -> None:
        text = request.encode()
        with suppress(RegistryUnavailable):
            for member in gathering.silent:
                self.repeated += 1
                await self._registry.tell(member, text)

    async def ask_surely(self, member: str, ask: Ask, *, is_gone: Callable[[], bool]) -> NodeReply | None:
        """Ask one other member until it answers; None: it is gone. See REPEATED."""
        me = self._membership.member
        if me is None:
            return None
        request, gathering = self._begin(ask, me, REPEAT_AFTER, lambda count: False)
        gathering.expect([member])
        pause = GrowingPause(REPEAT_AFTER, REPEAT_AT_MOST)
        try:
            with suppress(RegistryUnavailable):
                await self._registry.tell(member, request.encode())
            while not gathering.done.is_set() and not is_gone():
                with trio.move_on_after(pause.next()):
                    await gathering.done.wait()
                await self._tell_again(gathering, request)
        finally:
            del self._open[request.id]
        return next(iter(gathering.replies()), None)

    async def ask_one(self, member: str, ask: Ask, *, timeout: float) -> NodeReply | None:
        """Ask one other member; None: it has not answered in time. Raises RegistryUnavailable."""
        me = self._membership.member
        if me is None:
            raise RegistryUnavailable("this node has not joined the cluster yet")
        request, gathering = self._begin(ask, me, timeout, lambda count: False)
        gathering.expect([member])
        try:
            with trio.move_on_after(timeout):
                await self._registry.tell(member, request.encode())
                await gathering.done.wait()
        finally:
            del self._open[request.id]
        return next(iter(self._gathered(gathering).replies), None)

    def take(self, reply: NodeReply) -> None:
        """A reply has come; one that nobody waits for any more changes nothing."""
        gathering = self._open.get(reply.id)
        if gathering is not None:
            gathering.take(reply)

    def _begin(self, ask: Ask, member: str, timeout: float, is_enough: IsEnough) -> "tuple[NodeRequest, _Gathering]":
        self.asked += 1
        request = NodeRequest(id=uuid.uuid4().hex, sender=member, wait_ms=round(timeout * 1000), ask=ask)
        gathering = self._open[request.id] = _Gathering(is_enough)
        return request, gathering

    def _gathered(self, gathering: "_Gathering") -> Gathered:
        if gathering.expected is None:  # not even Redis's answer has come in time
            return Gathered(asked=(), replies=gathering.replies(), is_cut_off=True)
        answered = Gathered(asked=gathering.expected, replies=gathering.replies())
        if not gathering.is_satisfied:
            self.unanswered += len(set(answered.asked) - set(answered.answered))
        return answered


class _Gathering:
    """The replies to one request. They may come before it is known who was asked."""

    def __init__(self, is_enough: IsEnough) -> None:
        self.done = trio.Event()
        self.expected: tuple[str, ...] | None = None
        self.is_satisfied = is_enough(0)
        self._is_enough = is_enough
        self._parts: dict[str, dict[int, NodeReply]] = {}
        self._complete: dict[str, NodeReply] = {}

    def expect(self, members: Iterable[str]) -> None:
        self.expected = tuple(members)
        self._check()

    def take(self, reply: NodeReply) -> None:
        if reply.sender in self._complete or not 0 <= reply.part < reply.parts <= MOST_PARTS:
            return
        parts = self._parts.setdefault(reply.sender, {})
        parts[reply.part] = reply
        if len(parts) == reply.parts:
            self._complete[reply.sender] = joined([parts[number] for number in sorted(parts)])
            del self._parts[reply.sender]
            self.is_satisfied = self._is_enough(sum(reply.count for reply in self._complete.values()))
            self._check()

    @property
    def silent(self) -> tuple[str, ...]:
        """Those that are expected to answer, unless enough is known."""
        return () if self.done.is_set() else tuple(each for each in self.expected or () if each not in self._complete)

    def replies(self) -> tuple[NodeReply, ...]:
        return tuple(self._complete.values())

    def _check(self) -> None:
        all_have_come = self.expected is not None and self._complete.keys() >= set(self.expected)
        if all_have_come or (self.is_satisfied and self.expected is not None):
            self.done.set()

"""What one node does that has what is meant, whichever of them is asked by REST.

    local pass ─► NotHere ─► who has it? (find over all nodes) ─► that node alone, until it answers ─► value, or refusal

A part that can do such a thing says so by `serve`; other nodes find it there. What is neither a stream nor a call is
found by `serve_holder`.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import trio
from attrs import evolve

from actors.cluster.membership import Membership
from actors.cluster.owned.refusals import REFUSED, error_of, refusal_of
from actors.cluster.requests.asking import Asking, Gathered
from actors.cluster.requests.control import ClusterControl
from actors.node.ports.refusals import NodesSilent, NotHere
from protocol.calls.description import CallDescription
from protocol.cluster.members import Member
from protocol.cluster.messages import NodeReply
from protocol.cluster.owner_messages import FindHolder, OwnerAnswer, OwnerAsk, SearchAsk
from protocol.node.coverage import Coverage
from protocol.node.descriptions import StreamDescription
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found, Page

A = TypeVar("A", bound=OwnerAsk)
S = TypeVar("S", bound=SearchAsk)
L = TypeVar("L", StreamDescription, CallDescription)
T = TypeVar("T")

FIRST = Page(limit=1)
SLACK: Final = 5.0
"""Seconds for the answer of another node, beyond those for what it does."""
JOIN_WAIT = 1.0
"""Seconds to wait for the news of a node that has just started."""


class Owners:
    """See above."""

    def __init__(
        self,
        asking: Asking,
        membership: Membership,
        control: ClusterControl,
        *,
        node_id: str,
        answer_timeout: Callable[[], float],
    ) -> None:
        self.control = control
        self._node_id = node_id
        self._asking, self._membership = asking, membership
        self._answer_timeout = answer_timeout
        self._beat = trio.Event()
        membership.followers.append(self)
        self._doers: dict[type, Callable[[Any], Awaitable[Any]]] = {}
        self._searchers: dict[type, Callable[[Any, NodeReply], Awaitable[NodeReply]]] = {}
        self._holders: dict[str, Callable[[str], bool]] = {}
        self.serve_search(FindHolder, self._serve_holder)

    # -- for other nodes ---------------------------------------------------------------------------

    def serve(self, kind: type[A], do: Callable[[A], Awaitable[Any]]) -> None:
        """Do this for other nodes: `do` returns a value that is JSON, or raises what `refusals` lists."""
        self._doers[kind] = do

    def serve_search(self, kind: type[S], find: Callable[[S, NodeReply], Awaitable[NodeReply]]) -> None:
        """Find this for other nodes: `find` fills in the reply."""
        self._searchers[kind] = find

    def serve_list(self, kind: type[S], items: Callable[[S], Awaitable[Iterable[Any]]]) -> None:
        """Find these for other nodes: each item is JSON; see `listed`."""

        async def find(ask: S, blank: NodeReply) -> NodeReply:
            found = list(await items(ask))
            return evolve(blank, count=len(found), owned=OwnerAnswer(value=found))

        self.serve_search(kind, find)

    def serve_holder(self, kind: str, has: Callable[[str], bool]) -> None:
        """Tell other nodes whether what has this name, of all things of this kind, is here."""
        self._holders[kind] = has

    async def carry_out(self, ask: OwnerAsk | SearchAsk, blank: NodeReply) -> NodeReply:
        """The reply: `blank`, filled in. A node that has no such part has nothing of it."""
        searcher, doer = self._searchers.get(type(ask)), self._doers.get(type(ask))
        if searcher is not None:
            return await searcher(ask, blank)
        if doer is None:
            return blank
        try:
            return evolve(blank, count=1, owned=OwnerAnswer(value=await doer(ask)))
        except Exception as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            return evolve(blank, owned=refusal)

    # -- asking others -----------------------------------------------------------------------------

    async def search(self, ask: SearchAsk, *, is_enough: Callable[[int], bool] = lambda count: False) -> Gathered:
        """What all other nodes have of it."""
        return await self._asking.ask_all(ask, timeout=self._answer_timeout(), is_enough=is_enough)

    async def found_by_all(self, here: Found[T], ask: SearchAsk, item: Callable[[Any], T]) -> Found[T]:
        """What this node has and what the others have that serve `ask` by `serve_list`; of silent ones, nothing."""
        gathered = await self.search(ask)
        others = tuple(map(item, listed(gathered)))
        coverage = self.control.coverage(gathered, is_decided=False)
        return Found(total=here.total + len(others), items=(*here.items, *others), coverage=coverage)

    async def anywhere(
        self, here: Callable[[], Awaitable[T]], holder: Callable[[], Awaitable[str | None]], ask: OwnerAsk, wait: float
    ) -> T | Any:
        """What comes of it on this node, or, if it is not here, the answer of the node that has it, by its id.

        `wait`: seconds that it may take there. Raises NotHere if nobody has it, NodesSilent, and what it is refused by.
        """
        try:
            return await here()
        except NotHere as error:
            absent = error
        node = await holder()
        if node is None:
            raise absent
        return await self.ask(node, ask, timeout=wait + SLACK)

    async def holder(self, kind: str, key: str) -> str | None:
        """The id of the other node that has what has this name; None: there is none. Raises NodesSilent."""
        gathered = await self.search(FindHolder(kind=kind, key=key), is_enough=lambda count: count > 0)
        for reply in gathered.replies:
            if reply.count:
                return reply.node_id
        coverage = self.control.coverage(gathered, is_decided=False)
        if not coverage.is_complete:
            raise NodesSilent(coverage)
        return None

    async def holder_of_stream(self, query: StreamFilter) -> str | None:
        """The same of the first stream that matches."""
        found = await self.of_stream(query)
        return None if found is None else found.node_id

    async def of_stream(self, query: StreamFilter) -> StreamDescription | None:
        """The first stream that matches on another node; see `elsewhere`."""
        return self.elsewhere(await self.control.find(query, FIRST, traffic=False))

    def elsewhere(self, found: Found[L]) -> L | None:
        """The first one that was found. None: there is none on another node. Raises NodesSilent.

        One of this node is none: it was asked before, and could not, such as for a publication without media yet.
        """
        if found.items:
            return None if found.items[0].node_id == self._node_id else found.items[0]
        if found.coverage is not None and not found.coverage.is_complete:
            raise NodesSilent(found.coverage)
        return None

    async def ask(self, node_id: str, ask: OwnerAsk, *, timeout: float) -> Any:
        """The value that the node answers. Raises NodesSilent, what the node refused it with, or OtherRefusal."""
        reply = None
        with trio.move_on_after(timeout):
            reply = await self._reply_of(node_id, ask)
        if reply is None or reply.owned is None:
            raise NodesSilent(Coverage(asked=len(self._others()) + 1, silent=(node_id,)))
        return _value_of(reply.owned)

    async def ask_member(self, member: str, ask: OwnerAsk) -> Any | None:
        """The same of a member, until it answers; None: it is gone, or has no such part."""
        reply = await self._asking.ask_surely(member, ask, is_gone=partial(self._is_gone, member))
        return None if reply is None or reply.owned is None else _value_of(reply.owned)

    async def ask_each(
        self,
        node_ids: Iterable[str],
        ask: OwnerAsk,
        *,
        timeout: float,
        absent: type[Exception] = NotHere,
        needs_all: bool = True,
    ) -> int:
        """How many of these nodes have it (others answer `absent`), and did it. All are asked at the same time.

        Raises NodesSilent if one does not answer (not `needs_all`: and none had it), and what else `ask` raises.
        """
        done: list[str] = []
        errors: list[Exception] = []

        async def ask_one(node_id: str) -> None:
            try:
                await self.ask(node_id, ask, timeout=timeout)
                done.append(node_id)
            except absent:
                pass
            except REFUSED as error:  # raised when all have been asked
                errors.append(error)

        async with trio.open_nursery() as nursery:
            for each in node_ids:
                nursery.start_soon(ask_one, each)
        if errors and (needs_all or not done):
            raise errors[0]
        return len(done)

    def id_of(self, member: str) -> str:
        """The id of a node, as REST shows it."""
        return next((each.info.node_id for each in self._others() if each.name == member), member)

    def other_ids(self) -> Sequence[str]:
        """The ids of the other nodes, as far as they are known."""
        return [each.info.node_id for each in self._others()]

    # -- for the membership ------------------------------------------------------------------------

    def beaten(self, member: str, *, is_intact: bool) -> None:
        """Who is in the cluster is known anew."""
        self._beat.set()
        self._beat = trio.Event()

    def failed(self) -> None:
        """What was known goes on to count."""

    # -- inside ------------------------------------------------------------------------------------

    async def _serve_holder(self, ask: FindHolder, blank: NodeReply) -> NodeReply:
        has = self._holders.get(ask.kind)
        return evolve(blank, count=int(has is not None and has(ask.key)))

    async def _reply_of(self, node_id: str, ask: OwnerAsk) -> NodeReply | None:
        """None: it is gone. One that has started a moment ago is known by the next beat only."""
        for may_be_new in (True, False):
            member = next((each.name for each in self._others() if each.info.node_id == node_id), None)
            if member is not None:
                is_gone = partial(self._is_gone, member)
                reply = await self._asking.ask_surely(member, ask, is_gone=is_gone)
                if reply is not None:
                    return reply
            if may_be_new:
                self._membership.renew()
                with trio.move_on_after(JOIN_WAIT):
                    await self._beat.wait()
        return None

    def _others(self) -> Sequence[Member]:
        view = self._membership.view
        return () if view is None else view.others

    def _is_gone(self, member: str) -> bool:
        return all(each.name != member for each in self._others())


def _value_of(answer: OwnerAnswer) -> Any:
    error = error_of(answer)
    if error is not None:
        raise error
    return answer.value


def listed(gathered: Gathered) -> Iterator[Any]:
    """The items that other nodes have, which serve them by `serve_list`."""
    for reply in gathered.replies:
        yield from listed_by(reply)


def listed_by(reply: NodeReply) -> Iterable[Any]:
    """The same of one node."""
    return [] if reply.owned is None else reply.owned.value or []

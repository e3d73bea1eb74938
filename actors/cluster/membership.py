"""This node as a member of the cluster: it joins, beats, hears who else is there, and leaves.

The answer to a beat is all it knows of the others. While Redis does not answer, it goes on with what it knew.
"""

import random
import uuid
from collections.abc import Callable, Iterable
from typing import Protocol

import trio
from attrs import frozen

from actors.cluster.registry.registry import Registry, RegistryUnavailable
from actors.runtime.logs import get_logger
from actors.runtime.loop_clock import real_time
from protocol.cluster.claims import ClaimSpace
from protocol.cluster.members import BEAT_INTERVAL, Beat, MemberInfo, MemberView

log = get_logger("cluster")


@frozen(kw_only=True)
class NodeIdentity:
    """Which node this is. `place`: which state folder on which machine; only one process at a time can hold it."""

    node: str
    place: str


class Beaten(Protocol):
    """Who wants to know of beats."""

    def beaten(self, member: str, *, is_intact: bool) -> None: ...
    def failed(self) -> None: ...


class Membership:
    """See above."""

    def __init__(
        self,
        registry: Registry,
        identity: NodeIdentity,
        info: Callable[[], MemberInfo],
        *,
        chance: random.Random | None = None,
    ) -> None:
        self.view: MemberView | None = None
        """None: this node has not joined yet."""
        self.is_up = False
        """Whether the latest beat was answered."""
        self.outages = 0
        self.clock_offset_ms = 0.0
        """Redis's clock minus ours, in ms, as of the latest beat."""
        self.joined = trio.Event()
        self.followers: list[Beaten] = []
        self.on_beat: Callable[[Beat], None] = lambda beat: None
        self._registry, self._identity, self._info = registry, identity, info
        self._chance = chance or random.Random()  # noqa: S311 - spreads the beats of nodes
        self._due = trio.Event()
        self._strangers: set[str] = set()
        self._told_successor = False
        self._purging: list[tuple[ClaimSpace, int]] = []
        """Of what, and how far."""
        self._has_left = False
        self._beating = trio.Lock()

    @property
    def member(self) -> str | None:
        """The name of this member; None: it has not joined yet."""
        return None if self.view is None else self.view.me

    @property
    def is_superseded(self) -> bool:
        """Whether a later start of this node runs: the state folder has been copied."""
        return self.view is not None and self.view.successor is not None

    def redis_now_ms(self) -> float:
        """Redis's clock now."""
        return real_time() * 1000 + self.clock_offset_ms

    def hear_of(self, members: Iterable[str]) -> None:
        """These are alive now: beat if somebody has come or gone, to know more."""
        if self.view is not None and set(members) != self.view.members.keys():
            self.renew()

    def renew(self) -> None:
        """Beat now."""
        self._due.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Beat until cancelled. It has started when the first beat was answered, or was not."""
        is_first = True
        while True:
            await self._beat_guarded()
            if is_first:
                task_status.started()
            is_first = False
            with trio.move_on_after(BEAT_INTERVAL * self._chance.uniform(0.9, 1.1)):
                await self._due.wait()
                self._due = trio.Event()

    async def leave(self) -> None:
        """Nobody need wait for the end of the lease. A beat after this would begin another one, so there is none."""
        self._has_left = True
        try:
            async with self._beating:  # one that is under way would come after the end
                if self.member is not None:
                    await self._registry.leave(self.member)
        except RegistryUnavailable as error:
            log.info("the cluster was not told that this node ends", error=error)

    # -- inside ------------------------------------------------------------------------------------

    async def _beat_guarded(self) -> None:
        try:
            async with self._beating:
                if not self._has_left:
                    await self._beat()
        except RegistryUnavailable as error:
            self._failed(error)

    async def _beat(self) -> None:
        info = self._info().encode()
        view = self.view
        if view is None:
            joined = await self._registry.join(node=self._identity.node, place=self._identity.place, info=info)
            view = MemberView(me=joined.member)
        beat = await self._registry.beat(member=view.me, place=self._identity.place, info=info, boot=uuid.uuid4().hex)
        is_first = self.view is None
        self.view = view.after(beat)
        self.clock_offset_ms = beat.now_ms - real_time() * 1000
        self._tell_changes(self.view, is_first=is_first)
        self.is_up = True
        for follower in self.followers:
            follower.beaten(view.me, is_intact=self.view.is_intact)
        self.on_beat(beat)
        self.joined.set()
        await self._purge(beat.swept)

    async def _purge(self, swept: int) -> None:
        """Remove the names of members that are gone for long, a page after the other; go on after a failure."""
        if swept:
            self._purging = [(space, 0) for space in ClaimSpace]
        while self._purging:
            space, cursor = self._purging[0]
            cursor = await self._registry.purge(cursor, space=space)
            self._purging[:1] = [(space, cursor)] if cursor else []

    def _failed(self, error: RegistryUnavailable) -> None:
        if self.is_up or (self.view is None and not self.outages):
            self.outages += 1
            log.warning("Redis does not answer: this node goes on alone", error=error, setting="cluster.redis_url")
        self.is_up = False
        for follower in self.followers:
            follower.failed()

    def _tell_changes(self, view: MemberView, *, is_first: bool) -> None:
        if not self.is_up:
            log.info("in the cluster", member=view.me, nodes=len(view.members))
        if not view.is_intact and not is_first:
            log.warning("the registry may have lost what this node wrote: it is written again")
        self._tell_strangers(view)
        if view.successor is not None and not self._told_successor:
            log.error(
                "another start of this node runs: no new names are published here",
                other=view.successor.name,
                cause="the state folder was copied: remove its file node-id, and start again",
            )
        self._told_successor = view.successor is not None

    def _tell_strangers(self, view: MemberView) -> None:
        now = {stranger.name for stranger in view.strangers}
        for stranger in view.strangers:
            if stranger.name not in self._strangers:
                log.warning(
                    "a node of another version cannot be asked",
                    node=stranger.info.node_id, version=stranger.info.version, protocol=stranger.info.protocol,
                )  # fmt: skip
        self._strangers = now

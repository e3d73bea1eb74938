"""One terminate: stops the actors that match, in one pass of the event loop if that fits, otherwise in slices.

    request     the candidates are noted; who begins later is not meant
    slices      a candidate that matches when its turn comes is cut off: it has lost its name, gets and gives no more
                packets. Those that end with it (a publication's players, a session's streams) follow at once, or in the
                next slices; nobody can join them any more. If only hundreds are meant, all this is done at the request
    slices      their clients are told, and then their backends
    `stopped`   all of this is done
    slices      the rest of each end: DTLS's goodbye, the task and what it cleans up
    `wait`      the last of them has ended

A slice is short, so media goes on. The candidates that lead others go first, so a player whose publication is stopped
by the same terminate ends as one that lost its publisher, whether or not it matches too.
"""

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, Generic, Protocol, TypeVar

import trio

from actors.runtime.actor import StopReason, crash_guard, stop_all
from actors.runtime.logs import get_logger
from actors.runtime.slices import SliceBudget, Turns

log = get_logger("supervisor")

EXAMINED_AT_ONCE: Final = 1_000
STOPPED_AT_ONCE: Final = 32
"""What fits into one pass: so many candidates, and so many that end."""
CUT_AT_ONCE: Final = 300
"""So many are cut off in the pass of the request."""

SLICE_COST: Final = 300
EXAMINE_COST: Final = 1
CUT_COST: Final = 2
TELL_COST: Final = 3
REPORT_COST: Final = 5
END_COST: Final = 40
"""What a slice may do, and what each step takes of it, in units of about 5 microseconds; to tell takes 10, but leaves
little to do after the slice. The end of an actor goes on after it, in its own task, and takes as long again.
"""
SLICE_SECONDS: Final = 0.0015
TELL_SECONDS: Final = 0.002
"""No step begins later than this after the beginning of its slice. What was told leaves after that."""


class Follower(Protocol):
    """An actor that can be stopped by halves; see `actors.runtime.actor`."""

    has_told: bool

    @property
    def reason(self) -> StopReason | None: ...
    def cut_off(self, reason: StopReason) -> None: ...
    def tell_end(self, reason: StopReason) -> None: ...
    def begin_stop(self, reason: StopReason) -> None: ...
    def stop(self, reason: StopReason) -> None: ...
    def release_followers(self, reason: StopReason) -> "Iterable[tuple[Follower, StopReason]]":
        """The actors that end with this one, and why. The caller cuts it off for `reason` and then must stop them."""


class Candidate(Follower, Protocol):
    """An actor that a terminate may match."""

    stopped: trio.Event
    leads: bool
    """Whether others end with actors of its kind."""

    @property
    def weight(self) -> int:
        """How many actors end with this one, itself included."""


C = TypeVar("C", bound=Candidate)


class Termination(Generic[C]):
    """See above. `candidates` must not change any more."""

    def __init__(
        self, candidates: Collection[C], matches: Callable[[C], bool], reason: StopReason, *, turns: Turns
    ) -> None:
        self.stopped = trio.Event()
        """All that match have been stopped."""
        self._ends: list[trio.Event] = []  # of those that match; to keep them would be to free thousands in one pass
        self._candidates = candidates
        self._matches = matches
        self._reason = reason
        self._turns = turns
        self._steps = self._walk()
        self._falling: deque[tuple[Follower, StopReason]] = deque()
        self._begun: list[Follower] = []
        self._known: dict[Follower, C] | None = None
        self._is_all_cut = False

    @property
    def count(self) -> int:
        """How many have matched, not counting others that end with them. Complete once `stopped` is set."""
        return len(self._ends)

    def try_at_once(self) -> bool:
        """Stop them all before returning, if that fits into one pass. False: `run` has to do it, or what is left."""
        if len(self._candidates) > EXAMINED_AT_ONCE:
            return False
        hits = [candidate for candidate in self._candidates if self._is_hit(candidate)]
        if not _fits(hits, STOPPED_AT_ONCE):
            if _fits(hits, CUT_AT_ONCE):
                self._cut_all(hits)
            return False
        for hit in hits:
            if hit.weight > 1:
                hit.stop(self._reason)
        stop_all((hit for hit in hits if not hit.has_told), self._reason)
        self._ends = [hit.stopped for hit in hits]
        self._forget_candidates()
        return True

    async def run(self) -> None:
        """Stop them in slices. A crash is logged: it ends this, and nothing else."""
        with crash_guard(lambda error: log.error("terminate crashed", crash=error)):
            await self._run()

    async def _run(self) -> None:
        try:
            while not self._is_all_cut and await self._cut_slice():
                pass
            await self._go_through(lambda actor: actor.tell_end(self._reason), TELL_COST, TELL_SECONDS)
            await self._go_through(lambda actor: actor.begin_stop(self._reason), REPORT_COST, SLICE_SECONDS)
            self._forget_candidates()
            while await self._end_slice():
                pass
        finally:  # what has been begun is not left half done, even when the server ends in a hurry
            for follower, reason in self._falling:
                follower.stop(reason)
            for actor in self._begun:
                actor.stop(self._reason)
            self.stopped.set()

    async def wait(self, deadline: float = math.inf) -> bool:
        """Wait until all that match have been stopped, and until `deadline` for them to end; whether all did."""
        await self.stopped.wait()
        with trio.CancelScope(deadline=deadline) as patience:
            for end in self._ends:
                if not end.is_set():  # each wait is a pass of the loop
                    await end.wait()
        return not patience.cancelled_caught

    # -- inside ------------------------------------------------------------------------------------

    def _cut_all(self, hits: Collection[C]) -> None:
        self._candidates, self._matches, self._steps = hits, lambda hit: True, iter(())  # they have been examined
        self._is_all_cut = True
        for leads in (True, False):
            for hit in hits:
                if hit.leads is leads:
                    self._cut_if_hit(hit)
                    while self._falling:
                        self._cut_next_follower()

    async def _cut_slice(self) -> bool:
        """Do a slice; whether there is more."""
        async with self._turns:
            budget = SliceBudget(SLICE_COST, SLICE_SECONDS)
            while not budget.is_spent:
                was_cut = self._cut_next()
                if was_cut is None:
                    return False
                budget.spend(CUT_COST if was_cut else EXAMINE_COST)
        return True

    def _cut_next(self) -> bool | None:
        """Whether the next one was to be cut off, and is; None: there is none."""
        if self._falling:
            return self._cut_next_follower()
        try:
            candidate = next(self._steps)
        except StopIteration:
            return None
        return candidate is not None and self._cut_if_hit(candidate)

    async def _go_through(self, step: Callable[[Follower], None], cost: int, seconds: float) -> None:
        """Do one step of the end of all that are cut off, in slices."""
        done = 0
        while done < len(self._begun):
            async with self._turns:
                if self._is_all_cut:  # and so few that their clients need not wait for a collection
                    self._turns.hurry()
                budget = SliceBudget(SLICE_COST, seconds)
                while done < len(self._begun) and not budget.is_spent:
                    step(self._begun[done])
                    done += 1
                    budget.spend(cost)

    async def _end_slice(self) -> bool:
        # The last ones first: a session ends after its streams, a publication after its players.
        async with self._turns:
            budget = SliceBudget(SLICE_COST, SLICE_SECONDS)
            while self._begun and not budget.is_spent:
                self._begun.pop().stop(self._reason)
                budget.spend(END_COST)
        return bool(self._begun)

    def _forget_candidates(self) -> None:
        self._candidates, self._known, self._steps = (), None, iter(())
        self.stopped.set()

    def _walk(self) -> Iterator[C | None]:
        """The candidates, those that lead first; None for one that is not due yet or was before."""
        for leads in (True, False):
            for candidate in self._candidates:
                yield candidate if candidate.leads is leads else None

    def _is_hit(self, candidate: C) -> bool:
        return candidate.reason is None and self._matches(candidate)

    def _cut_if_hit(self, candidate: C) -> bool:
        if not self._is_hit(candidate):
            return False
        self._ends.append(candidate.stopped)
        self._cut(candidate, self._reason)
        return True

    def _cut_next_follower(self) -> bool:
        follower, reason = self._falling.popleft()
        if follower.reason is not None:
            return False
        if self._known is None:
            self._known = {candidate: candidate for candidate in self._candidates}
        candidate = self._known.get(follower)
        if candidate is not None and self._is_hit(candidate):
            self._ends.append(candidate.stopped)
        self._cut(follower, reason)
        return True

    def _cut(self, actor: Follower, reason: StopReason) -> None:
        self._falling.extend(actor.release_followers(reason))
        actor.cut_off(reason)
        self._begun.append(actor)


class Completion(Termination[C]):
    """Stops also those that another one has cut off and told nobody of yet: when all is `stopped`, all is told."""

    def _is_hit(self, candidate: C) -> bool:
        return not candidate.has_told


def _fits(hits: Iterable[Candidate], most: int) -> bool:
    """Whether no more than this end. To weigh one takes long, too, if it has thousands of followers."""
    left = most
    for hit in hits:
        left -= hit.weight
        if left < 0:
            return False
    return True

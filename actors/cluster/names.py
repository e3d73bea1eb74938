"""The names of this node's publications in the registry of the cluster: claimed, and given back.

While Redis is away, a name is either taken on trust and claimed as soon as it is back (`cluster.registry_down=accept`),
or not given at all (`refuse`). What the registry then says counts: a stream whose name is another node's by now ends.
"""

from collections.abc import Callable
from enum import Enum
from typing import Protocol

import trio

from actors.cluster.registry.registry import RegistryUnavailable
from actors.runtime.logs import RateLimitedLog, get_logger
from protocol.cluster.claims import Batch, BatchFate, BatchReply, ClaimTable, Holder, Named

log = get_logger("cluster")


class NameOutcome(Enum):
    """What became of a claim."""

    CONFIRMED = "confirmed"
    ON_TRUST = "on trust"
    """Redis is away: the registry decides when it is back."""
    TAKEN = "taken"
    """Another node has it."""
    REFUSED = "refused"
    """Redis is away, or this node must take no names."""


class NameTable(Protocol):
    """Where names are written: for publications, the registry itself."""

    async def write(self, member: str, batch: Batch) -> BatchReply:
        """Raises RegistryUnavailable."""


class ClusterNames:
    """See above. `run` writes; `claim` and `release` may be called at any time."""

    def __init__(
        self,
        registry: NameTable,
        *,
        accepts_on_trust: Callable[[], bool],
        timeout: float,
        on_lost: Callable[[Named, Holder], None],
        renew: Callable[[], None],
        is_superseded: Callable[[], bool] = lambda: False,
        is_quiet: bool = False,
    ) -> None:
        """`renew`: the lease is over, so beat now. `on_lost`: called for a stream that is already running.

        `is_superseded`: whether a later start of this node runs. `is_quiet`: who claims tells of it, if at all.
        """
        self.table = ClaimTable()
        self.member: str | None = None
        """None: this node has not joined yet."""
        self.lost = 0
        """How many streams have lost their name to another node."""
        self._registry = registry
        self._accepts_on_trust = accepts_on_trust
        self._timeout = timeout
        self._on_lost, self._renew, self._is_superseded = on_lost, renew, is_superseded
        self._waiting: dict[Named, _Waiter] = {}
        self._is_up, self._work = False, trio.Event()
        self._written = trio.Event()
        """Something was written, or cannot be."""
        self._log = None if is_quiet else RateLimitedLog(log, clock=trio.current_time)

    # -- for streams -------------------------------------------------------------------------------

    async def claim(self, named: Named, *, on_trust: bool = False) -> NameOutcome:
        """A stream of this node has the name from now on, unless the outcome says otherwise.

        `on_trust`: while Redis is away, too, whatever `cluster.registry_down` says.
        """
        if self._is_superseded():
            if self._log is not None:
                self._log.error("name refused", name=named.name, cause="another start of this node runs")
            return NameOutcome.REFUSED
        self.table.want(named)
        self._work.set()
        if self._is_up:
            waiter = self._waiting[named] = _Waiter()
            try:
                with trio.move_on_after(self._timeout):
                    await waiter.settled.wait()
            finally:
                self._waiting.pop(named, None)
            if waiter.outcome is not None:
                return waiter.outcome
        return self._without_registry(named, on_trust=on_trust)

    def _without_registry(self, named: Named, *, on_trust: bool) -> NameOutcome:
        if on_trust or self._accepts_on_trust():
            if self._log is not None:
                self._log.warning("name taken on trust", name=named.name, cause="Redis does not answer")
            return NameOutcome.ON_TRUST
        if self._log is not None:
            self._log.warning("name refused", name=named.name, setting="cluster.registry_down")
        self.release(named)
        return NameOutcome.REFUSED

    def release(self, named: Named) -> None:
        """The stream has it no longer. Never waits; repeated until the registry has acknowledged it."""
        self.table.drop(named)
        self._work.set()

    async def give_back(self, named: Named) -> None:
        """`release`, and wait until others may have the name, as far as the registry answers in time."""
        self.release(named)
        with trio.move_on_after(self._timeout):
            while self._is_up and self.table.is_releasing(named):
                await self._written.wait()

    # -- for the node ------------------------------------------------------------------------------

    def beaten(self, member: str, *, is_intact: bool) -> None:
        """A beat was answered: there is a registry, and a lease."""
        self.member, self._is_up = member, True
        if not is_intact:
            self.table.distrust()
        if self.table.is_due:
            self._work.set()

    def doubt(self) -> None:
        """The registry may have lost something, or have gone back to what it was: all is written again."""
        self.table.distrust()
        self._work.set()

    def failed(self) -> None:
        """The registry does not answer: nobody waits for it."""
        self._is_up = False
        self._tell_written()
        for waiter in self._waiting.values():
            waiter.settled.set()

    async def run(self) -> None:
        """Write what is due, one batch after the other."""
        while True:
            await self._work.wait()
            self._work = trio.Event()
            await self._write_all()

    async def flush(self, timeout: float) -> None:
        """Write what is still due at the end of the server."""
        with trio.move_on_after(timeout):
            await self._write_all()

    async def _write_all(self) -> None:
        while self._is_up and self.member is not None and (batch := self.table.next_batch()) is not None:
            if not await self._write(self.member, batch):
                return

    async def _write(self, member: str, batch: Batch) -> bool:
        """Whether to go on at once."""
        try:
            reply = await self._registry.write(member, batch)
        except RegistryUnavailable:
            self.failed()
            return False
        settled = self.table.settle(batch, reply)
        self._tell_written()
        for named in settled.confirmed:
            self._tell(named, NameOutcome.CONFIRMED)
        for named, holder in settled.lost:
            self._lose(named, holder)
        if reply.fate is BatchFate.FENCED:
            self._renew()
        return reply.fate is not BatchFate.FENCED

    def _tell_written(self) -> None:
        self._written.set()
        self._written = trio.Event()

    def _lose(self, named: Named, holder: Holder) -> None:
        if not self._tell(named, NameOutcome.TAKEN):
            self.lost += 1
            if self._log is not None:
                self._log.warning("name lost to another node", name=named.name, holder=holder.member)
            self._on_lost(named, holder)

    def _tell(self, named: Named, outcome: NameOutcome) -> bool:
        """Whether its stream still waits."""
        waiter = self._waiting.pop(named, None)
        if waiter is None:
            return False
        waiter.outcome = outcome
        waiter.settled.set()
        return True


class _Waiter:
    """A stream that waits for its name."""

    def __init__(self) -> None:
        self.outcome: NameOutcome | None = None
        self.settled = trio.Event()

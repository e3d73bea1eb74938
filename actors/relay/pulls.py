"""The edge: each publication of another node is brought here once, for all players here."""

from collections.abc import Iterator

import trio

from actors.node.directory import PublishedElsewhere
from actors.relay.pull import Pull
from actors.relay.services import RelayServices
from actors.runtime.actor import crash_guard
from actors.runtime.logs import get_logger
from actors.stream import Broadcast
from protocol.cluster.claims import Holder
from protocol.cluster.relay_messages import RelayNews

log = get_logger("relay")


class Pulls:
    """See above. Implements `actors.cluster.directory.Pulling`."""

    def __init__(self, services: RelayServices) -> None:
        self._services = services
        self._pulls: dict[str, Pull] = {}
        self._nursery: trio.Nursery | None = None

    def __len__(self) -> int:
        return len(self._pulls)

    def __iter__(self) -> Iterator[Pull]:
        return iter(self._pulls.values())

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the tasks of pulls until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    def find(self, name: str) -> Broadcast | None:
        """See `Pulling.find`."""
        pull = self._pulls.get(name)
        return None if pull is None or pull.is_over else pull.broadcast

    async def pull(self, name: str, holder: Holder) -> Broadcast:
        """See `Pulling.pull`. All who ask for one name share one pull."""
        while True:
            pull = self._pulls.get(name) or self._begin(name, holder)
            if not pull.is_over:
                broadcast = await pull.opened.answer()
                if not pull.is_over:  # it may have ended since it was opened
                    return broadcast
            await pull.gone.wait()

    def hear(self, sender: str, news: RelayNews) -> bool:
        """News of an origin; False: they are of no pull here."""
        return any(pull.hear(sender, news) for pull in self._pulls.values() if pull.id == news.pull)

    def _begin(self, name: str, holder: Holder) -> Pull:
        services = self._services
        if self._nursery is None or len(self._pulls) >= services.settings.cluster_max_relays:
            services.counts.refused += 1
            services.log.warning("relay refused", name=name, member=holder.member, limit="cluster.max_relays")
            raise PublishedElsewhere(name)
        pull = self._pulls[name] = Pull(name, holder, services)
        self._nursery.start_soon(self._oversee, pull)
        return pull

    async def _oversee(self, pull: Pull) -> None:
        try:
            with crash_guard(lambda error: log.error("relay crashed", crash=error, name=pull.name)):
                await pull.run()
        finally:
            del self._pulls[pull.name]
            pull.close()
            pull.gone.set()
        await pull.end_players()

"""Both ends of relays, as the rest of the server sees them."""

import trio
from attrs import evolve

from actors.relay.pulls import Pulls
from actors.relay.services import RelayServices
from actors.relay.serving import Serving
from protocol.cluster.messages import NodeReply
from protocol.cluster.relay_messages import PullStream, RelayNews


class Relays:
    """Implements `actors.cluster.executing.RelayAnswers`; `pulls` brings streams here, `serving` passes them on."""

    def __init__(self, services: RelayServices) -> None:
        self.counts = services.counts
        self.pulls, self.serving = Pulls(services), Serving(services)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.pulls.run)
            await nursery.start(self.serving.run)
            task_status.started()

    async def carry_out(self, sender: str, ask: PullStream | RelayNews, blank: NodeReply, deadline: float) -> NodeReply:
        """See `RelayAnswers.carry_out`."""
        match ask:
            case PullStream():
                return await self.serving.answer(sender, ask, blank, deadline)
            case RelayNews():
                return evolve(blank, count=int(self.pulls.hear(sender, ask)))

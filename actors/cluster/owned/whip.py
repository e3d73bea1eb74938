"""What clients have begun by WHIP and WHEP on any node. The `Location` of each has the mark of its node."""

from typing import Final

from actors.cluster.owned.owners import Owners
from actors.node.ports.refusals import NodesSilent
from actors.node.ports.whip import LocalWhipPort, WhipAnswer, WhipRequest
from protocol.cluster.owner_messages import CloseWhip
from protocol.node.node_marks import node_mark
from protocol.rest.resources.whip import token_digest, unavailable

WAIT: Final = 30.0
"""Seconds that another node may take: its backend is asked."""


class ClusterWhip:
    """Implements `actors.node.ports.whip.WhipPort` for all nodes."""

    def __init__(self, local: LocalWhipPort, owners: Owners) -> None:
        self.here = local
        self._owners = owners
        owners.serve(CloseWhip, self._serve_close)

    async def open(self, request: WhipRequest) -> WhipAnswer:
        """Here."""
        return await self.here.open(request)

    async def close(self, location: str, token: str | None) -> None:
        """By the node that has it. One that has no such mark is not asked: anybody may make locations up."""
        node = next((each for each in self._owners.other_ids() if location.endswith(node_mark(each))), None)
        if node is None:
            await self.here.close(location, token)
            return
        ask = CloseWhip(location=location, token=token_digest(token).hex())
        try:
            await self._owners.ask(node, ask, timeout=WAIT)
        except NodesSilent:
            raise unavailable("the node of this session does not answer") from None

    async def _serve_close(self, ask: CloseWhip) -> None:
        await self.here.close_known(ask.location, bytes.fromhex(ask.token))

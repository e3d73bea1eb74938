"""Which node has a room, in the registry: claimed like the name of a publication, in a separate hash."""

import json

from actors.cluster.registry.registry import Registry, RegistryUnavailable
from protocol.cluster.claims import Batch, BatchReply, ClaimSpace
from protocol.rooms.bans import RoomKey


class RoomTable:
    """The registry's table of rooms, as `actors.cluster.names.ClusterNames` writes it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def write(self, member: str, batch: Batch) -> BatchReply:
        """Raises RegistryUnavailable."""
        return await self._registry.write(member, batch, space=ClaimSpace.ROOMS)

    async def holder_of(self, key: RoomKey) -> str | None:
        """The member that has the room; None also while the registry does not answer: the claim decides then."""
        try:
            holder = await self._registry.locate(entry_of(key), space=ClaimSpace.ROOMS)
        except RegistryUnavailable:
            return None
        return None if holder is None else holder.member


def entry_of(key: RoomKey) -> str:
    """The field of a room."""
    return json.dumps(key, separators=(",", ":"))


def key_of(entry: str) -> RoomKey:
    """The room of a field that this node has written."""
    app_key, name = json.loads(entry)
    return app_key, name

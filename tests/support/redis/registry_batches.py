"""What is written into the registry of a cluster, and what comes of it."""

from actors.cluster.registry.registry import Registry
from protocol.cluster.claims import Batch, BatchFate, BatchReply, Holder, Named
from protocol.cluster.members import MemberInfo

ONE, OTHER = Named("news", "id 1"), Named("news", "id 2")
INFO = MemberInfo(node_id="shown", version="1").encode()


async def joined(registry: Registry, node: str = "a", place: str = "here") -> str:
    return (await registry.join(node=node, place=place, info=INFO)).member


def batch(number: int, *claims: Named, releases: tuple[Named, ...] = ()) -> Batch:
    return Batch(number=number, releases=releases, claims=claims)


def done(*holders: Holder | None) -> BatchReply:
    return BatchReply(fate=BatchFate.DONE, holders=holders)

"""Requests with a key: carried out by the node that is first asked, whose answer all others give again.

    claim (place of the key) ─► mine: carry it out, keep the answer
                             └► another node's: ask it for the answer, again while it has none

Redis has digests of keys alone. While it is away, a key is known to the node that was asked, and to those that wait for
its answer.
"""

import base64
from typing import Any, Final

import trio

from actors.cluster.owned.owners import Owners
from actors.cluster.registry.registry import RegistryUnavailable
from actors.cluster.singles import ClusterSingles, HeldSingle
from actors.node.ports.keyed_requests import KeptResponse, Recall
from actors.node.ports.refusals import NodesSilent
from actors.node.ports.singles import SingleTaken, SingleUnknown
from protocol.cluster.owner_messages import RecallAnswer
from protocol.common.growing_pause import GrowingPause
from protocol.node.coverage import Coverage

REQUEST: Final = "request"
WAIT: Final = 30.0
"""Seconds to wait for the answer of the node that carries it out. That one has died is known when its lease is over."""
ASK_AGAIN: Final = 0.05
"""Seconds until it is looked again who has the request; longer each time."""
ASK_AGAIN_AT_MOST: Final = 1.0


class ClusterRequests:
    """Implements `actors.node.ports.keyed_requests.KeyedRequests`."""

    def __init__(self, owners: Owners, singles: ClusterSingles) -> None:
        self._owners, self._singles = owners, singles
        self._claims: dict[str, HeldSingle] = {}

    def serve(self, recall: Recall) -> None:
        async def answer(ask: RecallAnswer) -> Any:
            kept = await recall(ask.place, bytes.fromhex(ask.fingerprint))
            return None if kept is None else _written(kept)

        self._owners.serve(RecallAnswer, answer)

    async def answer_of_others(self, place: str, fingerprint: bytes) -> KeptResponse | None:
        pause = GrowingPause(ASK_AGAIN, ASK_AGAIN_AT_MOST)
        holder = None
        with trio.move_on_after(WAIT):
            while not await self._is_mine(place, holder):
                holder = await self._holder(place, holder)
                if holder is not None:
                    told = await self._owners.ask_member(
                        holder, RecallAnswer(place=place, fingerprint=fingerprint.hex())
                    )
                    if told is not None:
                        return _read(told)
                await trio.sleep(pause.next())
            return None
        raise NodesSilent(self._silent(holder))

    def forget(self, place: str) -> None:
        claim = self._claims.pop(place, None)
        if claim is not None:
            claim.release()

    async def _is_mine(self, place: str, holder: str | None) -> bool:
        """Whether this node carries it out. It does also while nobody can tell, unless another one is known to."""
        try:
            claim = await self._singles.claim(REQUEST, place, on_trust=True)
        except SingleTaken:
            return False
        except SingleUnknown:
            return holder is None
        if holder is not None and not claim.is_confirmed:
            claim.release()
            return False
        self._claims[place] = claim
        return True

    async def _holder(self, place: str, before: str | None) -> str | None:
        try:
            return await self._singles.holder(REQUEST, place)
        except RegistryUnavailable:
            return before

    def _silent(self, holder: str | None) -> Coverage:
        nodes = self._owners.other_ids()
        silent = () if holder is None else (self._owners.id_of(holder),)
        return Coverage(asked=len(nodes) + 1, silent=silent, is_cut_off=holder is None)


def _written(kept: KeptResponse) -> Any:
    return [kept.status, dict(kept.headers), base64.b64encode(kept.body).decode("ascii")]


def _read(told: Any) -> KeptResponse:
    status, headers, body = told
    return KeptResponse(status, headers, base64.b64decode(body))

"""Captures on any node. Each stays on the node that has begun it; its name is the cluster's, as of any stream."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from attrs import asdict

from actors.cluster.owned.owners import SLACK, Owners
from actors.cluster.owned.refusals import REFUSED
from actors.cluster.requests.executing import reason_of
from actors.node.ports.capture import (
    AlreadyCaptured,
    AmbiguousCapture,
    CaptureDescription,
    LocalCapturePort,
    NoSuchCapture,
)
from actors.node.ports.refusals import NodesSilent, NotHere
from actors.node.ports.singles import Singles, SingleTaken, SingleUnknown
from actors.runtime.actor import StopReason
from protocol.capture.uri import CaptureScheme, CaptureUri, capture_key, read_capture_uri
from protocol.cluster.ends import End
from protocol.cluster.owner_messages import EndCapture, FindCaptures, KeepCapture
from protocol.rest.paging import Found

CAPTURE: Final = "capture"
END_WAIT: Final = 5.0
"""Seconds that a capture of another node may take to end."""


class ClusterCaptures:
    """Implements `actors.node.ports.capture.CapturePort` for all nodes.

    `open_wait`: seconds that a source may take to open.
    """

    def __init__(
        self,
        local: LocalCapturePort,
        owners: Owners,
        singles: Singles,
        *,
        node_id: str,
        open_wait: Callable[[], float],
    ) -> None:
        self.here = local
        self._owners, self._singles = owners, singles
        self._node_id, self._open_wait = node_id, open_wait
        owners.serve(KeepCapture, self._serve_keep)
        owners.serve(EndCapture, self._serve_end)
        owners.serve_list(FindCaptures, self._serve_find)

    async def start(self, uri: CaptureUri, name: str) -> None:
        """On the node that captures it already; else here, unless another node begins to capture it, by any name."""
        try:
            claim = await self._singles.claim(CAPTURE, capture_key(uri.text))
        except SingleTaken:
            raise AlreadyCaptured from None
        except SingleUnknown:
            await self._start(uri, name)  # without the cluster, a new name is refused
            return
        refusal: Exception | None = None
        try:
            await self._start(uri, name)
        except REFUSED as error:
            refusal = error
        except BaseException:
            claim.release()
            raise
        await claim.give_back()  # what has begun can be found from now on
        if refusal is not None:
            raise refusal

    async def _start(self, uri: CaptureUri, name: str) -> None:
        """If a node is silent, the claim of the name decides, as it does for any publication."""
        keep, ask = partial(self.here.keep, uri, name), KeepCapture(uri=uri.text, name=name)
        try:
            await self._owners.anywhere(keep, partial(self._holder, uri), ask, self._open_wait())
        except (NotHere, NodesSilent):
            await self.here.start(uri, name)

    async def find(self, schemes: frozenset[CaptureScheme]) -> Found[CaptureDescription]:
        """Those of all nodes; of those that do not answer, none."""
        here = await self.here.find(schemes)
        return await self._owners.found_by_all(here, FindCaptures(schemes=schemes), _read)

    async def terminate(self, uri: str, schemes: frozenset[CaptureScheme], reason: StopReason) -> None:
        """On all nodes that have it."""
        found = await self.find(schemes)
        meant = [each for each in found.items if each.key == capture_key(uri)]
        meant = meant or [each for each in found.items if each.uri == uri]
        if not meant:
            self._check_all_answered(found)
            raise NoSuchCapture
        if len({each.key for each in meant}) > 1:
            raise AmbiguousCapture(tuple(each.name for each in meant))
        nodes = {each.node_id for each in meant}
        has_ended = self._node_id in nodes and await self._end_here(uri, schemes, reason)
        ask = EndCapture(uri=uri, schemes=schemes, end=End.of(reason.cause, reason.info, reason.kick))
        if not await self._owners.ask_each(nodes - {self._node_id}, ask, timeout=END_WAIT + SLACK) and not has_ended:
            raise NoSuchCapture

    # -- inside ------------------------------------------------------------------------------------

    async def _holder(self, uri: CaptureUri) -> str | None:
        """The other node that captures it, as far as nodes answer."""
        found = await self.find(frozenset({uri.scheme}))
        same = (each.node_id for each in found.items if each.key == capture_key(uri.text))
        return next((node_id for node_id in same if node_id != self._node_id), None)

    async def _end_here(self, uri: str, schemes: frozenset[CaptureScheme], reason: StopReason) -> bool:
        """Whether there still was one."""
        try:
            await self.here.terminate(uri, schemes, reason)
        except NoSuchCapture:
            return False
        return True

    def _check_all_answered(self, found: Found[CaptureDescription]) -> None:
        if found.coverage is not None and not found.coverage.is_complete:
            raise NodesSilent(found.coverage)

    async def _serve_keep(self, ask: KeepCapture) -> None:
        await self.here.keep(read_capture_uri(ask.uri), ask.name)

    async def _serve_end(self, ask: EndCapture) -> None:
        await self.here.terminate(ask.uri, ask.schemes, reason_of(ask.end))

    async def _serve_find(self, ask: FindCaptures) -> Iterable[Any]:
        return map(asdict, (await self.here.find(ask.schemes)).items)


def _read(fields: Any) -> CaptureDescription:
    return CaptureDescription(**fields)

"""Draining this node, or another one of the cluster."""

from typing import Protocol

from actors.node.drain import Drain, NotDrainable
from protocol.node.server_state import Drained


class DrainPort(Protocol):
    """`node`: its id, as `wcs show nodes` lists it, or how it begins; None: the one that is asked.

    NotDrainable: there is no such node, it stops, or it does not answer.
    """

    async def begin(self, timeout: float, *, by: str, node: str | None = None) -> Drained:
        """Drain for at most `timeout` seconds; math.inf: for as long as `Drain.longest` says."""

    async def cancel(self, *, by: str, node: str | None = None) -> Drained:
        """Serve as before."""


class LocalDrain:
    """Implements `DrainPort` for this node alone."""

    def __init__(self, drain: Drain, node_id: str = "") -> None:
        self._drain, self._node_id = drain, node_id

    async def begin(self, timeout: float, *, by: str, node: str | None = None) -> Drained:
        self._check(node)
        return Drained(changed=self._drain.begin(timeout, by=by), report=self._drain.report())

    async def cancel(self, *, by: str, node: str | None = None) -> Drained:
        self._check(node)
        return Drained(changed=self._drain.cancel(by=by), report=self._drain.report())

    def is_meant(self, node: str | None) -> bool:
        """Whether it is this node."""
        return node is None or (bool(node) and self._node_id.startswith(node))

    def _check(self, node: str | None) -> None:
        if not self.is_meant(node):
            raise NotDrainable(f"this server is no node of a cluster; it is {self._node_id!r}")

"""Whether clients are to be sent to this server, what does not work in it, and what other nodes are told of that."""

from collections.abc import Iterator

from actors.node.drain import Drain
from actors.server.clustered import ClusteredParts
from actors.server.host_nodes import HostNodes
from actors.web.api.server.health import Readiness
from protocol.node.server_state import ServerState


class Condition:
    """See above. `host_nodes`: which nodes of `--nodes` end again and again."""

    def __init__(self, drain: Drain, clustered: ClusteredParts | None, host_nodes: HostNodes | None) -> None:
        self._drain = drain
        self._cluster = None if clustered is None else clustered.cluster
        self._host_nodes = host_nodes

    def readiness(self) -> Readiness:
        """Whether a load balancer may send clients here."""
        return Readiness(missing=tuple(self._missing()), degraded=tuple(self.degraded()))

    def degraded(self) -> Iterator[str]:
        """What does not work, while clients are served."""
        if self._cluster is not None:
            yield from self._cluster.faults()
        if self._host_nodes is not None:
            yield from (f"node {node} ends again and again" for node in self._host_nodes.failing())

    @property
    def state(self) -> str:
        """In a word; other nodes send pages to those that are `serving`."""
        state = self._drain.state
        if state is ServerState.SERVING and self._cluster is not None:
            return self._cluster.hindrance or state
        return state

    def _missing(self) -> Iterator[str]:
        if self._drain.state is not ServerState.SERVING:
            yield self._drain.state
        elif self._cluster is not None and self._cluster.membership.is_superseded:
            yield "another start of this node runs"

"""An answer that is not known, because nodes of the cluster are silent."""

from protocol.node.coverage import Coverage


class NodesSilent(Exception):
    """Nodes of the cluster do not answer that may have what is meant; what is known has been done."""

    def __init__(self, coverage: Coverage) -> None:
        super().__init__(coverage.shown)
        self.coverage = coverage

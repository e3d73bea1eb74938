"""Refusals that ports share, whatever they are about."""

from protocol.node.coverage import Coverage


class NotHere(Exception):
    """There is no such thing on this node; another node of a cluster may have it. Each port says what is missing."""


class NodesSilent(Exception):
    """Nodes of the cluster do not answer that may have what is meant; what is known has been done."""

    def __init__(self, coverage: Coverage) -> None:
        super().__init__(coverage.shown)
        self.coverage = coverage


class OtherRefusal(Exception):
    """A node of a newer version refuses for a reason that this one does not know. `setting` names the limit, if any."""

    def __init__(self, info: str, setting: str | None = None) -> None:
        super().__init__(info if setting is None else f"{info} (setting {setting})")
        self.info = info
        self.setting = setting

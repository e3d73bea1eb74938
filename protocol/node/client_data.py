"""Data for pages from outside: what REST sends to sessions, whatever protocol they speak."""

from typing import Any

from attrs import frozen

from protocol.common.shared_forms import SharedForms
from protocol.node.coverage import Coverage


class ClientData(SharedForms):
    """One piece of data, shared by all its receivers. `payload` is any JSON, null included."""

    __slots__ = ("operation_id", "payload")

    def __init__(self, payload: Any, *, operation_id: str | None = None) -> None:
        super().__init__()
        self.payload = payload
        self.operation_id = operation_id


@frozen(kw_only=True)
class DeliveryReport:
    """What became of data or of an event."""

    sent: int = 0
    """Receivers to which it was sent, or for which it is queued."""
    dropped: int = 0
    """Receivers that it was not sent to, because too much is queued for all clients."""
    missing: tuple[str, ...] = ()
    """The sessions named that do not exist."""
    coverage: Coverage | None = None
    """None: there is no cluster."""

    @property
    def receivers(self) -> int:
        """How many receivers there were."""
        return self.sent + self.dropped

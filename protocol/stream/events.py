"""Stream events other than status changes: mutes, data, sizes. One event may have thousands of receivers."""

from collections.abc import Callable
from typing import Any, TypeVar

from protocol.stream.statuses import StreamEventType

F = TypeVar("F")


class StreamEvent:
    """One event of a stream, shared by all its receivers."""

    __slots__ = ("_forms", "payload", "type")

    def __init__(self, event: StreamEventType, payload: Any = None) -> None:
        self.type = event
        self.payload = payload
        """JSON; None where the type says all."""
        self._forms: dict[Callable[[StreamEvent], Any], Any] = {}

    def form(self, make: Callable[["StreamEvent"], F]) -> F:
        """The event as `make` writes it in the receivers' protocol, written once for all of them.

        `make` must be the same object each time, and must not keep the event.
        """
        made: F | None = self._forms.get(make)
        if made is None:
            made = self._forms[make] = make(self)
        return made

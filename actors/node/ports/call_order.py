"""What the web service needs of calls by SIP in order to begin them, and to change what their phones hear."""

from typing import Protocol

from protocol.calls.filters import CallFilter
from protocol.calls.order import CallOrder
from protocol.node.filters import StreamFilter


class NothingToInject(Exception):
    """There is no such stream or sound; `what` says which of them."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class NotInjected(Exception):
    """The phone of the call cannot hear it; `info` says why."""

    def __init__(self, info: str) -> None:
        super().__init__(info)
        self.info = info


class CallOrderPort(Protocol):
    """Calls. What is about one of them raises `call_control_port.NoSuchCall` if there is none, or NodesSilent."""

    @property
    def here(self) -> "CallOrderPort":
        """Those of this node alone."""

    async def start(self, order: CallOrder) -> None:
        """Begin a call without a page. Raises CallRefused."""

    async def inject_stream(self, query: CallFilter, stream: StreamFilter) -> None:
        """Have the phone hear a publication whose media flows. Raises NoSuchCall, NothingToInject or NotInjected."""

    async def inject_sound(self, query: CallFilter, file: str) -> None:
        """Have the phone hear a file of the folder of sounds, once. Raises as `inject_stream`."""

    async def stop_injection(self, query: CallFilter) -> None:
        """Have the phone hear the page again. Raises NoSuchCall."""

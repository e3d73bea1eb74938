"""What the web service needs to send pages to a node."""

from collections.abc import Mapping
from typing import Any, Protocol


class BalancerPort(Protocol):
    """Chooses a node for a page."""

    async def place(self, *, name: str | None, publishes: bool, reached_as: str | None) -> Mapping[str, Any]:
        """What the WebSDK's `lbUrl` answers; never waits long, never fails.

        `name`: the stream that the page is for. `reached_as`: the name or address by which it has reached this node.
        """

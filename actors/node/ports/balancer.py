"""What the web service needs to send pages to a node."""

from collections.abc import Mapping
from typing import Any, Protocol


class BalancerPort(Protocol):
    """Chooses a node for a page."""

    async def place(self, *, name: str | None, publishes: bool) -> Mapping[str, Any]:
        """What the WebSDK's `lbUrl` answers. `name`: the stream that the page is for; never waits long, never fails."""

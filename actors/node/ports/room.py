"""What the web service needs of rooms."""

from typing import Any, Protocol

from protocol.access.kicks import Kick
from protocol.node.client_data import DeliveryReport
from protocol.node.filters import RoomFilter
from protocol.rest.paging import Found, Page
from protocol.rooms.descriptions import RoomDescription


class NoSuchRoom(Exception):
    """No room matches."""


class NoSuchMember(Exception):
    """The room has no member of this login."""


class RoomBusy(Exception):
    """So much waits in the room that no more is accepted for now."""


class RoomControl(Protocol):
    """Finds rooms and acts on them. An action is for every room that matches; all raise NoSuchRoom and NodesSilent."""

    @property
    def here(self) -> "RoomControl":
        """Those of this node alone."""

    async def find(self, query: RoomFilter, page: Page) -> Found[RoomDescription]:
        """The number of matching rooms, and those on the page, oldest first."""

    async def post(self, query: RoomFilter, content: Any, *, sender: str | None) -> DeliveryReport:
        """Tell all members: a text from the member `sender`, or, without one, data. Raises NoSuchMember, RoomBusy."""

    async def kick(self, query: RoomFilter, login: str, *, seconds: float, kick: Kick) -> None:
        """Remove a member as `kick` says, and refuse it for `seconds`. Raises NoSuchMember, RoomBusy."""

    async def terminate(self, query: RoomFilter) -> int:
        """End the rooms: everybody is removed from them. The number of members."""

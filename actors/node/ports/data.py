"""What the web service needs to send data to pages."""

from typing import Any, Protocol

from attrs import frozen

from actors.node.ports.room import RoomControl
from protocol.node.client_data import ClientData, DeliveryReport
from protocol.node.filters import ConnectionFilter, StreamFilter


class TooManyAtOnce(Exception):
    """So much is on its way to clients already that no more is accepted for now. Nothing was sent."""


class NotLive(Exception):
    """Nobody publishes under this name now."""


class DataPort(Protocol):
    """Sends data to sessions. Each session gets what is sent to it in the order of the calls."""

    async def send(
        self, data: ClientData, session_ids: tuple[str, ...], query: ConnectionFilter, *, node_id: str | None
    ) -> DeliveryReport:
        """Send to those of the sessions named that match; the others are missing.

        With a `node_id` other than this server's all of them are. Raises TooManyAtOnce.
        """

    async def broadcast(self, data: ClientData, query: ConnectionFilter, stream_name: str | None) -> DeliveryReport:
        """Send to every session that matches and, if `stream_name` is given, publishes or plays that stream.

        Raises TooManyAtOnce.
        """


class StreamEventPort(Protocol):
    """Sends stream events."""

    async def send(self, query: StreamFilter, payload: Any) -> DeliveryReport:
        """Send an event of type `data` to the players of the live publication that matches, which must be named.

        Raises NotLive and TooManyAtOnce.
        """


@frozen(kw_only=True)
class MessagePorts:
    """What REST can send to pages, and the rooms that they are in."""

    data: DataPort
    stream_events: StreamEventPort
    rooms: RoomControl

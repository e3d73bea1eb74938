"""The link between one publication and its players: the media they attach to, the players, and the mute state.

Players hold a reference to this, never to the publisher or its session.
"""

from typing import Protocol

import trio

from actors.media.publication import Publication
from actors.node.termination import Follower
from actors.stream.fan_out import EventFanOut, Listener
from protocol.stream.events import StreamEvent
from protocol.stream.statuses import StreamEventType


class Player(Listener[StreamEvent], Follower, Protocol):
    """A played stream as its broadcast sees it."""

    @property
    def media_session_id(self) -> str: ...
    @property
    def is_relay(self) -> bool:
        """Whether it is another node, with its own players."""


_MUTES = {
    StreamEventType.AUDIO_MUTED: ("audio", True),
    StreamEventType.AUDIO_UNMUTED: ("audio", False),
    StreamEventType.VIDEO_MUTED: ("video", True),
    StreamEventType.VIDEO_UNMUTED: ("video", False),
}


class Broadcast:
    """One publication that can be played."""

    def __init__(self, publication: Publication, publisher: str = "") -> None:
        self.publication = publication
        self.publisher = publisher
        """What tells publishers' clients apart, where these share something."""
        self.is_over = False
        """Nobody can be attached any more."""
        self._players: dict[str, Player] = {}
        self._relays = 0
        self._fan_out: EventFanOut[StreamEvent] = EventFanOut()
        self._muted = {"audio": False, "video": False}
        self._occupied, self._deserted = trio.Event(), trio.Event()
        self._deserted.set()

    def __len__(self) -> int:
        """How many receivers this publication has: players, and nodes with players."""
        return len(self._players)

    @property
    def audience(self) -> int:
        """How many players of this node it has."""
        return len(self._players) - self._relays

    @property
    def audio_muted(self) -> bool:
        """What a late joiner must be told, since no event is repeated for it."""
        return self._muted["audio"]

    @property
    def video_muted(self) -> bool:
        """What a late joiner must be told, since no event is repeated for it."""
        return self._muted["video"]

    def attach(self, player: Player) -> None:
        """Add `player`: it gets this broadcast's events from now on, and stops with it."""
        if not self._players:
            self._occupied.set()
            self._deserted = trio.Event()
        self._players[player.media_session_id] = player
        self._relays += player.is_relay

    def detach(self, player: Player) -> None:
        """Remove `player`, which has ended. Idempotent."""
        if self._players.pop(player.media_session_id, None) is None:
            return
        self._relays -= player.is_relay
        if not self._players:
            self._deserted.set()
            self._occupied = trio.Event()

    async def until_deserted(self) -> None:
        """Wait until it has no player."""
        await self._deserted.wait()

    async def until_occupied(self) -> None:
        """Wait until it has a player."""
        await self._occupied.wait()

    @property
    def takes_events(self) -> bool:
        """False while too many events are still on their way to players."""
        return not self._fan_out.is_full

    def pass_event(self, event: StreamEvent) -> bool:
        """Pass the publisher's event to the players, and keep the mute state for those who join later.

        True: there are too many players to tell at once, and the caller must run `pass_rest`.
        """
        if event.type in _MUTES:
            kind, muted = _MUTES[event.type]
            self._muted[kind] = muted
        return self._fan_out.add(event, self._players.values())

    async def pass_rest(self) -> None:
        """Tell the remaining players, in slices."""
        await self._fan_out.run()

    def close(self) -> tuple[Player, ...]:
        """The publication ends: nobody can be attached any more. The caller must stop the players that are returned."""
        if self.is_over:
            return ()
        players, self._players, self.is_over = tuple(self._players.values()), {}, True
        self._relays = 0
        self._fan_out.clear()
        return players


def picture_size(width: int, height: int) -> dict[str, int]:
    """The payload of a `resize` event."""
    return {"streamerVideoWidth": width, "streamerVideoHeight": height}

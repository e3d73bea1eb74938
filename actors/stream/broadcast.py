"""The link between one publication and its players: the media they attach to, the players, and the mute state.

Players hold a reference to this, never to the publisher or its session.
"""

from collections.abc import Iterator
from typing import Protocol

from actors.media.publication import Publication
from actors.runtime.actor import StopReason
from actors.stream.fan_out import EventFanOut, Listener
from protocol.stream.events import StreamEvent
from protocol.stream.statuses import StreamEventType


class Player(Listener, Protocol):
    """A played stream as its broadcast sees it."""

    @property
    def media_session_id(self) -> str: ...
    def begin_stop(self, reason: StopReason) -> None: ...
    def stop(self, reason: StopReason) -> None: ...


_MUTES = {
    StreamEventType.AUDIO_MUTED: ("audio", True),
    StreamEventType.AUDIO_UNMUTED: ("audio", False),
    StreamEventType.VIDEO_MUTED: ("video", True),
    StreamEventType.VIDEO_UNMUTED: ("video", False),
}


class Broadcast:
    """One publication that can be played."""

    def __init__(self, publication: Publication) -> None:
        self.publication = publication
        self._players: dict[str, Player] = {}
        self._fan_out = EventFanOut()
        self._muted = {"audio": False, "video": False}

    def __len__(self) -> int:
        """How many players this publication has."""
        return len(self._players)

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
        self._players[player.media_session_id] = player

    def detach(self, player: Player) -> None:
        """Remove `player`, which has ended. Idempotent."""
        self._players.pop(player.media_session_id, None)

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

    def ending(self, reason: StopReason) -> None:
        """The publication is about to end: every player is told that it stops. `ended` follows immediately."""
        for player in self._all():
            player.begin_stop(reason)

    def ended(self, reason: StopReason) -> None:
        """The publication is over: every player stops with `reason`."""
        for player in self._all():
            player.stop(reason)
        self._players.clear()
        self._fan_out.clear()

    def _all(self) -> Iterator[Player]:
        # A player that stops detaches itself, so iterate over a copy.
        return iter(tuple(self._players.values()))


def picture_size(width: int, height: int) -> dict[str, int]:
    """The payload of a `resize` event."""
    return {"streamerVideoWidth": width, "streamerVideoHeight": height}

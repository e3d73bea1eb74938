"""A publication of another node, which is brought here as long as a phone hears it."""

import uuid
from collections.abc import Awaitable, Callable, Iterable

from actors.node.termination import Follower
from actors.runtime.actor import StopReason
from actors.stream import Broadcast
from protocol.node.filters import StreamFilter
from protocol.stream.events import StreamEvent

Bring = Callable[[StreamFilter], Awaitable[Broadcast | None]]
"""Gives a publication that matches on another node, with media; None: there is none.

Raises NotInjected, or NodesSilent.
"""


async def bring_nothing(query: StreamFilter) -> Broadcast | None:
    """There are no other nodes."""
    return None


class FarHearer:
    """A `Player` of its broadcast, which goes on coming as long as this is attached. It ends with the media."""

    is_relay = has_told = False
    reason: StopReason | None = None

    def __init__(self, broadcast: Broadcast) -> None:
        self.media_session_id = f"phone-{uuid.uuid4()}"
        self._broadcast = broadcast
        broadcast.attach(self)

    def detach(self) -> None:
        """It is heard no more."""
        self._broadcast.detach(self)

    def pass_event(self, event: StreamEvent) -> None:
        """Phones get none."""

    def cut_off(self, reason: StopReason) -> None:
        """The media ends, and with it what is heard."""

    tell_end = begin_stop = stop = cut_off

    def release_followers(self, reason: StopReason) -> Iterable[tuple[Follower, StopReason]]:
        return ()

"""The one place where unexpected errors are caught: an error ends the peer that it happened to, not the plane."""

from collections.abc import Callable
from typing import Protocol

from actors.media.statistics import Counters
from actors.runtime.logs import get_logger
from protocol.stream.info_texts import StreamInfo

log = get_logger("media")


class GuardedPeer(Protocol):
    """What an error ends: the transport of a peer, or a phone's end of a call."""

    @property
    def session_id(self) -> str: ...
    def fail(self, info: StreamInfo) -> None: ...


class PeerGuard:
    """`current` is the peer whose packet or timer is being handled; handlers set it as soon as they know."""

    def __init__(self, counters: Counters) -> None:
        self.current: GuardedPeer | None = None
        self._counters = counters

    def run(self, handler: Callable[..., None], *args: object, peer: GuardedPeer | None = None) -> None:
        """Call a handler; an error ends the current peer, which is `peer` until the handler says otherwise."""
        self.current = peer
        try:
            handler(*args)
        except Exception as error:  # noqa: BLE001  any error may end only its own peer
            self._crashed(error)

    def _crashed(self, error: Exception) -> None:
        self._counters.crashed += 1
        transport = self.current
        log.error("media crashed", crash=error, session=transport.session_id if transport else None)
        if transport is not None:
            self._give_up(transport)

    def _give_up(self, transport: GuardedPeer) -> None:
        try:
            transport.fail(StreamInfo.FAILED_BY_ERROR)
        except Exception as error:  # noqa: BLE001  its handler is broken too: nothing more to tell
            log.error("media crashed while it ended", crash=error, session=transport.session_id)

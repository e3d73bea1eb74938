"""One leg at the origin: a node that plays a publication of this one, as a receiver of its broadcast."""

from collections.abc import Callable, Iterable

from actors.media.events import Failed, MediaEvent, PeerClosed
from actors.media.relay_playback import RelayPlayback
from actors.node.termination import Follower
from actors.relay.news import NewsSender
from actors.relay.services import RelayServices
from actors.runtime.actor import StopReason
from actors.runtime.logs import get_logger
from actors.runtime.loop_clock import real_time
from actors.stream import Broadcast
from protocol.cluster.members import node_of
from protocol.cluster.relay_messages import PullStream, RelayedEnd, RelayedEvent
from protocol.stream.events import StreamEvent

log = get_logger("relay")


class RelayLeg:
    """Implements `actors.stream.broadcast.Player`. `on_end` is called once, when no media goes out any more."""

    is_relay = True

    def __init__(
        self,
        member: str,
        ask: PullStream,
        broadcast: Broadcast,
        services: RelayServices,
        on_end: "Callable[[RelayLeg], None]",
    ) -> None:
        self.member, self.name, self.media_session_id = member, ask.name, ask.pull
        self.has_told = False
        self.began = real_time()
        self.reason: StopReason | None = None
        self.news = NewsSender(member, ask.pull, services)
        self._legs, self._counts, self._on_end = services.legs, services.counts, on_end
        self._broadcast = broadcast
        self.playback: RelayPlayback | None = services.legs.serve(
            ask.edge, broadcast.publication, pull=ask.pull, post=self._note
        )
        broadcast.attach(self)

    @property
    def node(self) -> str:
        """The node at the other end."""
        return node_of(self.member)

    def close(self) -> None:
        """The other end wants no more, or is gone. Idempotent."""
        self.news.end(None)
        self._withdraw()
        self._close_media()

    # -- as a receiver of the broadcast --------------------------------------------------------------------------

    def pass_event(self, event: StreamEvent) -> None:
        """Its players are told by their own node; they are not counted here."""
        self.news.event(RelayedEvent(type=event.type, payload=event.payload))

    def cut_off(self, reason: StopReason) -> None:
        if self.reason is None:
            self.reason = reason
            self._withdraw()

    def tell_end(self, reason: StopReason) -> None:
        self.cut_off(reason)
        if not self.has_told:
            self.has_told = True
            self.news.end(RelayedEnd(info=reason.info))

    begin_stop = tell_end

    def stop(self, reason: StopReason) -> None:
        self.tell_end(reason)
        self._close_media()

    def release_followers(self, reason: StopReason) -> Iterable[tuple[Follower, StopReason]]:
        """It has none here."""
        return ()

    # -- inside --------------------------------------------------------------------------------------------------

    def _note(self, event: MediaEvent) -> None:
        if isinstance(event, Failed | PeerClosed):
            log.debug("a leg has ended", name=self.name, member=self.member, end=type(event).__name__)
            self.close()

    def _withdraw(self) -> None:
        self._broadcast.detach(self)
        if self.playback is not None:
            self.playback.withdraw()

    def _close_media(self) -> None:
        playback, self.playback = self.playback, None
        if playback is None:
            return
        figures = playback.statistics()
        self._counts.packets_out += figures.packets
        self._counts.bytes_out += figures.bytes
        playback.close()
        self._on_end(self)

"""One publication of another node, brought here: it is asked for, comes by a leg, and goes on while it has players."""

import uuid
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

import trio

from actors.cluster.registry.registry import RegistryUnavailable
from actors.media.events import Connected, Failed, MediaEvent, MediaRefused, PeerClosed
from actors.media.ingest.relay_ingest import RelayIngest
from actors.node.directory import NotPublished, NotReady, PublishedElsewhere
from actors.relay.services import RelayServices
from actors.runtime.actor import Request, StopReason, stop_all
from actors.runtime.logs import get_logger
from actors.runtime.loop_clock import real_time
from actors.runtime.slices import slices
from actors.stream import Broadcast
from actors.stream.end_reasons import PUBLISHER_STOP, failed
from protocol.cluster.claims import Holder
from protocol.cluster.relay_messages import LegOffer, PullOutcome, PullStream, RelayNews
from protocol.stream.events import StreamEvent
from protocol.stream.info_texts import StreamInfo
from protocol.stream.statuses import StreamEventType
from protocol.webrtc.relay_leg import LegEnd, is_same_media

FIRST_PLAYER: Final = 5.0
"""Seconds at least until the one who has asked must have come."""
LAST_WORD: Final = 1.0
"""Seconds to wait for the reason, after the origin has closed the leg."""
PAUSE: Final = 0.1
"""Seconds before an origin is asked again that has no media yet; it waits for that itself, but need not."""
RESUME_PATIENCE: Final = 5.0
"""Seconds to try to replace a leg that is lost: what has lost it may have lost Redis for a moment, too."""
RESUME_PAUSE: Final = 0.5
"""Seconds between two tries."""
MOST_TRIES: Final = 3
"""Legs in a row that may be lost before any connects: one more than the origin has addresses, and so many."""
PLAYERS_AT_ONCE: Final = 25
NO_PLAYERS: Final = StopReason(cause="no-players", info=StreamInfo.STOPPED_BY_USER)
LOST: Final = failed(StreamInfo.FAILED_TO_CONNECT_TO_ORIGIN_STREAM)

log = get_logger("relay")


class Pull:
    """See above. `opened` has the broadcast for players, or NotPublished, PublishedElsewhere or NotReady."""

    def __init__(self, name: str, holder: Holder, services: RelayServices) -> None:
        self.name, self.holder = name, holder
        self.opened: Request[Broadcast] = Request()
        self.id = ""
        """Of the leg; each has its own."""
        self.broadcast: Broadcast | None = None
        self.ingest: RelayIngest | None = None
        self.began = real_time()
        self._services = services
        self._offer = LegOffer(outcome=PullOutcome.REFUSED)
        self._tries = 0
        self._reason: StopReason | None = None
        self._is_lost = self._is_closed = False
        self._changed = trio.Event()
        self._told = 0
        self.gone = trio.Event()
        """Set when another pull of this name may begin."""
        self._nursery: trio.Nursery | None = None
        self._work = trio.CancelScope()

    @property
    def is_over(self) -> bool:
        """Whether it ends: players that come now are none of its."""
        return self._reason is not None

    # -- what comes ----------------------------------------------------------------------------------------------

    def hear(self, sender: str, news: RelayNews) -> bool:
        """The origin tells something; False if it is not of this leg. Repetitions change nothing."""
        if sender != self.holder.member or news.pull != self.id:
            return False
        if news.number > self._told:
            self._told = news.number
            if news.event is not None:
                self._pass_event(news.event.type, news.event.payload)
            if news.end is not None:
                self.end(PUBLISHER_STOP if news.end.info == PUBLISHER_STOP.info else failed(news.end.info))
        return True

    def end(self, reason: StopReason) -> None:
        """It is over, for this reason. The first counts."""
        self._reason = self._reason or reason
        self._work.cancel()

    def _note(self, event: MediaEvent) -> None:
        match event:
            case Connected():
                self._tries = 0
            case Failed():
                self._is_lost = True
                self._changed.set()
            case PeerClosed():
                self._is_lost = self._is_closed = True
                self._changed.set()

    def _pass_event(self, kind: str, payload: object) -> None:
        if kind not in set(StreamEventType) or self.broadcast is None or self.is_over:
            return
        if self.broadcast.pass_event(StreamEvent(StreamEventType(kind), payload)) and self._nursery is not None:
            self._nursery.start_soon(self.broadcast.pass_rest)

    # -- life ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until it is over. The caller then calls `finish`."""
        try:
            await self._open()
        except (NotPublished, NotReady) as error:
            self._services.counts.failed += 1
            self.opened.fail(error)
            return
        if self.broadcast is None:
            return
        self._services.counts.pulled += 1
        log.info("stream of another node", name=self.name, member=self.holder.member)
        self.opened.reply(self.broadcast)
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._watch_players, self.broadcast)
            with self._work:
                await self._until_over()
            self._nursery.cancel_scope.cancel()

    async def end_players(self) -> None:
        """After `run`: its players end with it."""
        broadcast, reason = self.broadcast, self._reason or LOST
        if broadcast is None:
            return
        players = broadcast.close()
        broadcast.publication.end()
        try:
            for some in slices(players, PLAYERS_AT_ONCE):
                for player in some:
                    player.tell_end(reason)
                await trio.lowlevel.checkpoint()
        finally:
            stop_all(players, reason)

    def close(self) -> None:
        """No media any more. Idempotent."""
        self.opened.fail(PublishedElsewhere(self.name))
        ingest, self.ingest = self.ingest, None
        if ingest is not None:
            figures = ingest.statistics()
            self._services.counts.packets_in += figures.packets
            self._services.counts.bytes_in += figures.bytes
            ingest.publication.end()
            self._services.legs.end(ingest)

    async def _until_over(self) -> None:
        while self._reason is None:
            await self._changed.wait()
            self._changed = trio.Event()
            if self._is_lost and self._reason is None:
                await self._mend()

    async def _mend(self) -> None:
        """The leg is lost. Unless the origin says that the stream has ended, look once where it is, and call again."""
        if self._is_closed:
            with trio.move_on_after(LAST_WORD):
                await self._changed.wait()
            if self._reason is not None:
                return
        self._is_lost = self._is_closed = False
        self._tries += 1
        most = min(MOST_TRIES, 1 + len(self._offer.candidates))
        if self._tries < most and await _insisted(self._resume):
            self._services.counts.resumed += 1
            return
        self._services.counts.failed += 1
        log.warning("stream of another node lost", name=self.name, member=self.holder.member)
        self.end(LOST)

    async def _watch_players(self, broadcast: Broadcast) -> None:
        linger = max(FIRST_PLAYER, self._services.settings.cluster_relay_linger)
        while True:
            with trio.move_on_after(linger) as waiting:
                await broadcast.until_occupied()
            if waiting.cancelled_caught and not len(broadcast):
                self.end(NO_PLAYERS)
                return
            await broadcast.until_deserted()
            linger = self._services.settings.cluster_relay_linger

    # -- legs ----------------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        """The first leg. Raises NotPublished, PublishedElsewhere or NotReady."""
        credentials, offer = await self._ask_owner()
        self.ingest = self._call(credentials, offer)
        self._offer = offer
        publication = self.ingest.publication
        publication.width, publication.height = offer.width, offer.height
        self.broadcast = Broadcast(publication)
        self._tell_mutes(offer)

    async def _resume(self) -> bool:
        """Whether it goes on, by another leg. Raises as `_ask_owner`, and RegistryUnavailable."""
        if self.ingest is not None:
            self._services.legs.end(self.ingest)
        holder = await self._services.registry.locate(self.name)
        if holder is None:
            return False
        self.holder = holder
        credentials, offer = await self._ask_owner()
        if not is_same_media(offer.tracks, self._offer.tracks):
            return False
        self.ingest, self._offer = self._call(credentials, offer), offer
        self._tell_mutes(offer)
        return True

    async def _ask_owner(self) -> tuple[tuple[str, str], LegOffer]:
        """The leg's credentials here, and the origin's offer; if the registry was out of date, once more."""
        deadline = trio.current_time() + self._services.settings.play_wait_timeout
        try:
            credentials, offer = await self._ask(deadline)
            if offer.outcome is PullOutcome.NOT_HERE:
                holder = await self._services.registry.locate(self.name)
                if holder is None or holder == self.holder:
                    raise NotPublished(self.name)
                self.holder = holder
                credentials, offer = await self._ask(deadline)
        except RegistryUnavailable:
            raise PublishedElsewhere(self.name) from None
        match offer.outcome:
            case PullOutcome.TAKEN:
                return credentials, offer
            case PullOutcome.NOT_READY:
                raise NotReady(self.name)
            case PullOutcome.NOT_HERE:
                raise NotPublished(self.name)
        raise PublishedElsewhere(self.name)

    async def _ask(self, deadline: float) -> tuple[tuple[str, str], LegOffer]:
        services = self._services
        while True:
            credentials = services.legs.new_credentials()
            self.id, self._told = f"relay-{uuid.uuid4()}", 0
            ask = PullStream(
                pull=self.id,
                name=self.name,
                media_session_id=self.holder.media_session_id,
                edge=LegEnd.of(credentials, services.legs.fingerprint),
            )
            timeout = services.settings.cluster_answer_timeout
            reply = await services.asking.ask_one(self.holder.member, ask, timeout=timeout)
            offer = None if reply is None else reply.leg
            if offer is None:
                raise PublishedElsewhere(self.name)
            if offer.outcome is not PullOutcome.NOT_READY or trio.current_time() >= deadline:
                return credentials, offer
            await trio.sleep(PAUSE)

    def _call(self, credentials: tuple[str, str], offer: LegOffer) -> RelayIngest:
        """Begin the leg. Raises PublishedElsewhere."""
        services, broadcast = self._services, self.broadcast
        candidates = offer.candidates[self._tries % max(1, len(offer.candidates)) :] + offer.candidates
        for address in candidates:
            if offer.origin is None:
                break
            try:
                return services.legs.pull(
                    offer.origin,
                    offer.tracks,
                    address,
                    pull=self.id,
                    credentials=credentials,
                    post=self._note,
                    source=services.settings.cluster_relay_address,
                    heeds_requests=offer.heeds_requests,
                    continues=None if broadcast is None else broadcast.publication,
                )
            except MediaRefused as refused:
                log.debug("no leg", name=self.name, why=refused.detail)
        services.log.warning("another node cannot be reached", name=self.name, member=self.holder.member)
        raise PublishedElsewhere(self.name)

    def _tell_mutes(self, offer: LegOffer) -> None:
        """What players were told of the former leg may have changed meanwhile."""
        if self.broadcast is not None:
            for kind in _mute_changes(offer, self.broadcast):
                self._pass_event(kind, None)


async def _insisted(resume: Callable[[], Awaitable[bool]]) -> bool:
    """Whether a leg has taken the place of one that is lost; tried again while Redis or the other node is silent."""
    deadline = trio.current_time() + RESUME_PATIENCE
    while True:
        try:
            return await resume()
        except (RegistryUnavailable, PublishedElsewhere):
            if trio.current_time() >= deadline:
                return False
        except (NotPublished, NotReady):
            return False
        await trio.sleep(RESUME_PAUSE)


def _mute_changes(offer: LegOffer, known: Broadcast) -> Iterator[StreamEventType]:
    """What is muted, or no longer, beside what is known."""
    if offer.audio_muted != known.audio_muted:
        yield StreamEventType.AUDIO_MUTED if offer.audio_muted else StreamEventType.AUDIO_UNMUTED
    if offer.video_muted != known.video_muted:
        yield StreamEventType.VIDEO_MUTED if offer.video_muted else StreamEventType.VIDEO_UNMUTED

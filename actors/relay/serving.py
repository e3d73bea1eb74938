"""The origin: what is published on this node goes to the nodes that ask for it."""

from collections.abc import Iterable
from typing import Final

import trio
from attrs import evolve

from actors.media.events import MediaRefused
from actors.node.directory import NotPublished, NotReady
from actors.relay.leg import RelayLeg
from actors.relay.services import RelayServices
from actors.runtime.logs import get_logger
from actors.stream import Broadcast
from protocol.cluster.members import node_of
from protocol.cluster.messages import NodeReply
from protocol.cluster.relay_messages import LegOffer, PullOutcome, PullStream
from protocol.webrtc.relay_leg import LegEnd, LegTrack
from protocol.webrtc.stun import Address

MOST_WAITING: Final = 50
"""Pulls that may wait for a publisher's media at a time."""
JOIN_WAIT: Final = 1.0
"""Seconds to wait for the news of a member that has just joined."""
MOST_CANDIDATES: Final = 4

log = get_logger("relay")


class Serving:
    """See above. Only members of the cluster get anything, and only from the node that holds the name."""

    def __init__(self, services: RelayServices) -> None:
        self._services = services
        self._legs: dict[tuple[str, str], RelayLeg] = {}  # by the node at the other end, and the name
        self._waiting = self._telling = 0
        self._told = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._beat = trio.Event()
        services.membership.followers.append(self)

    def __len__(self) -> int:
        return len(self._legs)

    @property
    def legs(self) -> Iterable[RelayLeg]:
        """Those that go on."""
        return self._legs.values()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            for leg in list(self._legs.values()):
                leg.close()

    async def until_told(self) -> None:
        """Wait until all that has happened was told to the other nodes, and nothing goes out any more."""
        while self._telling:
            await self._told.wait()

    async def _tell(self, leg: RelayLeg) -> None:
        self._telling += 1
        try:
            await leg.news.run(leg.close)
        finally:
            self._telling -= 1
            self._told.set()
            self._told = trio.Event()

    # -- for the membership --------------------------------------------------------------------------------------

    def beaten(self, member: str, *, is_intact: bool) -> None:
        """Who is in the cluster is known anew: a pull may wait for that. Legs to members that have left end unasked."""
        self._beat.set()
        self._beat = trio.Event()

    def failed(self) -> None:
        """What was known goes on to count."""

    # -- pulls ---------------------------------------------------------------------------------------------------

    async def answer(self, sender: str, ask: PullStream, blank: NodeReply, deadline: float) -> NodeReply:
        """Begin a leg to that member, or say why not."""
        offer = await self._offer(sender, ask, deadline)
        return evolve(blank, count=int(offer.outcome is PullOutcome.TAKEN), leg=offer)

    async def _offer(self, sender: str, ask: PullStream, deadline: float) -> LegOffer:
        if not await self._is_member(sender):
            return self._refuse("no member of the cluster", sender, ask)
        if self._waiting >= MOST_WAITING:
            return self._refuse("too many wait for media", sender, ask)
        self._waiting += 1
        try:
            broadcast = await self._services.directory.locate_here(
                ask.name, timeout=min(self._services.settings.play_wait_timeout, deadline - trio.current_time())
            )
        except NotReady:
            return LegOffer(outcome=PullOutcome.NOT_READY if self._holds(ask) else PullOutcome.NOT_HERE)
        except NotPublished:
            return LegOffer(outcome=PullOutcome.NOT_HERE)
        finally:
            self._waiting -= 1
        return self._begin(sender, ask, broadcast)

    def _begin(self, sender: str, ask: PullStream, broadcast: Broadcast) -> LegOffer:
        if not self._holds(ask) or broadcast.is_over:
            return LegOffer(outcome=PullOutcome.NOT_HERE)
        key = node_of(sender), ask.name
        if key in self._legs:  # the other end has lost it, or has started again
            self._legs[key].close()
        if len(self._legs) >= self._services.settings.cluster_max_relays:
            return self._refuse("too many", sender, ask, limit="cluster.max_relays")
        if self._nursery is None:
            return LegOffer(outcome=PullOutcome.REFUSED)
        try:
            leg = RelayLeg(sender, ask, broadcast, self._services, self._ended)
        except MediaRefused as refused:
            return self._refuse(refused.detail, sender, ask)
        self._legs[key] = leg
        self._services.counts.served += 1
        self._nursery.start_soon(self._tell, leg)
        return self._describe(leg, broadcast)

    def _describe(self, leg: RelayLeg, broadcast: Broadcast) -> LegOffer:
        playback, publication, legs = leg.playback, broadcast.publication, self._services.legs
        if playback is None:
            return LegOffer(outcome=PullOutcome.NOT_HERE)
        return LegOffer(
            outcome=PullOutcome.TAKEN,
            origin=LegEnd.of(playback.credentials, legs.fingerprint),
            candidates=_chosen(legs.candidates, self._services.settings.cluster_relay_address),
            tracks=tuple(LegTrack.of(source) for source in publication.sources),
            heeds_requests=all(track.heeds_requests for track in publication.tracks.values()),
            audio_muted=broadcast.audio_muted,
            video_muted=broadcast.video_muted,
            width=publication.width,
            height=publication.height,
        )

    def _holds(self, ask: PullStream) -> bool:
        """Whether the registry is right: the name is held here, by that stream."""
        holder = self._services.directory.holder_of(ask.name)
        return holder is not None and holder.media_session_id == ask.media_session_id

    async def _is_member(self, sender: str) -> bool:
        membership = self._services.membership
        if membership.view is not None and sender not in membership.view.members:
            membership.renew()
            with trio.move_on_after(JOIN_WAIT):
                await self._beat.wait()
        return membership.view is not None and sender in membership.view.members

    def _ended(self, leg: RelayLeg) -> None:
        key = leg.node, leg.name
        if self._legs.get(key) is leg:
            del self._legs[key]

    def _refuse(self, why: str, sender: str, ask: PullStream, **fields: object) -> LegOffer:
        self._services.counts.refused += 1
        self._services.log.warning("relay refused", name=ask.name, member=sender, why=why, **fields)
        return LegOffer(outcome=PullOutcome.REFUSED)


def _chosen(candidates: Iterable[Address], address: str | None) -> tuple[Address, ...]:
    """Where the edge is to call: the address that the setting names, or all, loopback last."""
    known = list(candidates)
    if address is not None:
        ports = [port for host, port in known if host == address] or [port for _, port in known]
        return ((address, ports[0]),)
    return tuple(sorted(known, key=_is_loopback))[:MOST_CANDIDATES]


def _is_loopback(address: Address) -> bool:
    return address[0].startswith("127.") or address[0] == "::1"

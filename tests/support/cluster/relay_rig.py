"""The edge of a relay without a network: origins answer as they are told, and legs are begun and lost by hand."""

import math
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import trio
from attrs import define, evolve, field

from actors.cluster.registry.registry import RegistryUnavailable
from actors.media.context import MediaContext
from actors.media.events import MediaEvent
from actors.media.publication import Publication
from actors.media.sending.sender import PortableSender
from actors.media.statistics import StreamMediaStatistics
from actors.relay.pull import Pull
from actors.relay.pulls import Pulls
from actors.relay.services import RelayServices
from actors.runtime.actor import StopReason
from config.settings import Settings
from protocol.cluster.claims import Holder
from protocol.cluster.messages import NodeReply
from protocol.cluster.relay_messages import LegOffer, PullOutcome, PullStream
from protocol.stream.events import StreamEvent
from protocol.webrtc.relay_leg import LegEnd, LegTrack
from protocol.webrtc.sdp import Fingerprint
from protocol.webrtc.stun import Address

VIDEO = LegTrack(is_video=True, codec="VP8", clock_rate=90_000, channels=1, fmtp="", ssrc=1, rtx_ssrc=2)
TAKEN = LegOffer(
    outcome=PullOutcome.TAKEN,
    origin=LegEnd(ufrag="u", pwd="p", fingerprint="sha-256 AA"),
    candidates=(("192.0.2.1", 31_001),),
    tracks=(VIDEO,),
)
A, C = Holder("a/1", "of a"), Holder("c/1", "of c")


@define(eq=False)
class FakeLeg:
    """One leg at the edge."""

    pull: str
    address: Address
    publication: Publication
    post: Callable[[MediaEvent], None]
    is_over: bool = False

    def statistics(self) -> StreamMediaStatistics:
        return self.publication.statistics()


@define(eq=False)
class FakeLegs:
    """What the media plane does for relays."""

    context: MediaContext
    begun: list[FakeLeg] = field(factory=list)
    fingerprint: Fingerprint = field(factory=lambda: Fingerprint(algorithm="sha-256", value="BB"))

    def new_credentials(self) -> tuple[str, str]:
        return "ufrag", "pwd"

    def pull(
        self, origin: LegEnd, tracks: Sequence[LegTrack], address: Address, *, pull: str, post: Any, **more: Any
    ) -> FakeLeg:
        codecs = {track.kind: track.leg_codec for track in tracks}
        publication = more["continues"] or Publication(self.context, codecs, post=post, ask=lambda: None)
        leg = FakeLeg(pull, address, publication, post)
        self.begun.append(leg)
        return leg

    def end(self, leg: FakeLeg) -> None:
        leg.is_over = True


@define(eq=False)
class FakeOrigins:
    """All other members: each pull gets the next answer, the last one for ever. None: silence."""

    answers: list[LegOffer | None]
    asked: list[tuple[str, PullStream]] = field(factory=list)

    async def ask_one(self, member: str, ask: PullStream, *, timeout: float) -> NodeReply | None:
        self.asked.append((member, ask))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await trio.sleep(timeout if answer is None or answer.outcome is PullOutcome.NOT_READY else 0.01)
        return None if answer is None else NodeReply(id="1", sender=member, node_id=member, leg=answer)


@define(eq=False)
class FakeIndex:
    """Who holds the name, next. Nothing, and before `answers_from`: Redis does not answer."""

    holders: list[Holder | None] = field(factory=list)
    answers_from: float = -math.inf

    async def locate(self, name: str) -> Holder | None:
        await trio.lowlevel.checkpoint()
        if not self.holders or trio.current_time() < self.answers_from:
            raise RegistryUnavailable
        return self.holders.pop(0)


class Viewer:
    """A player at the edge."""

    is_relay = has_told = False
    reason: StopReason | None = None

    def __init__(self, media_session_id: str = "player") -> None:
        self.media_session_id = media_session_id
        self.events: list[StreamEvent] = []

    def pass_event(self, event: StreamEvent) -> None:
        self.events.append(event)

    def cut_off(self, reason: StopReason) -> None:
        self.reason = self.reason or reason

    tell_end = begin_stop = stop = cut_off

    def release_followers(self, reason: StopReason) -> Iterable[Any]:
        return ()


@define(eq=False)
class RelayRig:
    """See above."""

    pulls: Pulls
    services: RelayServices
    legs: FakeLegs
    origins: FakeOrigins
    index: FakeIndex

    @property
    def pull(self) -> Pull:
        """The one there is."""
        (only,) = self.pulls
        return only

    @property
    def leg(self) -> FakeLeg:
        """The latest."""
        return self.legs.begun[-1]


@asynccontextmanager
async def relay_rig(
    *answers: LegOffer | None, holders: Iterable[Holder | None] = (), most: int = 500
) -> AsyncIterator[RelayRig]:
    """The edge, before origins that answer so. `holders`: what the index says next. `most`: relays at a time."""
    settings = evolve(
        Settings(),
        cluster_answer_timeout=2.0,
        play_wait_timeout=5.0,
        cluster_relay_linger=30.0,
        cluster_max_relays=most,
    )
    context = MediaContext(
        settings=settings, sender=PortableSender(), clock=trio.current_time, entropy=secrets.token_bytes
    )
    legs, origins, index = FakeLegs(context), FakeOrigins(list(answers) or [TAKEN]), FakeIndex(list(holders))
    services = RelayServices(
        settings=settings,
        legs=cast(Any, legs),
        directory=cast(Any, None),
        asking=cast(Any, origins),
        membership=cast(Any, None),
        registry=index,
    )
    pulls = Pulls(services)
    async with trio.open_nursery() as nursery:
        await nursery.start(pulls.run)
        yield RelayRig(pulls, services, legs, origins, index)
        nursery.cancel_scope.cancel()

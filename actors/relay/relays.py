"""Both ends of relays, as the rest of the server sees them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import trio
from attrs import asdict, evolve

from actors.relay.pulls import Pulls
from actors.relay.services import RelayServices
from actors.relay.serving import Serving
from actors.runtime.loop_clock import real_time
from actors.stream.describing import DescribedMedia, measure_media
from protocol.cluster.messages import NodeReply
from protocol.cluster.relay_messages import PullStream, RelayNews
from protocol.node.descriptions import StreamDescription
from protocol.stream.statuses import StreamStatus

LAST_NEWS: Final = 1.0
"""Seconds at the end of the server to tell other nodes of it."""
RELAY: Final = "Relay"
"""As media provider."""


class Relays:
    """`pulls` brings streams here, `serving` passes them on.

    Implements `actors.cluster.requests.executing.RelayAnswers`.
    """

    def __init__(self, services: RelayServices, node_id: str, wall_clock: Callable[[], float]) -> None:
        self.counts = services.counts
        self._node_id, self._wall_clock = node_id, wall_clock
        self.pulls, self.serving = Pulls(services), Serving(services)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.pulls.run)
            await nursery.start(self.serving.run)
            task_status.started()

    async def drain(self) -> None:
        """The streams of this node have ended: wait until the other nodes know, for a second at most."""
        with trio.move_on_after(LAST_NEWS):
            await self.serving.until_told()

    def statistics(self) -> Mapping[str, int]:
        """The group `relays` of `/?action=stat`."""
        counts = asdict(self.counts)
        for way, media in (("in", self._coming), ("out", self._going)):
            figures = [each.statistics() for each in media()]
            counts[f"packets_{way}"] += sum(each.packets for each in figures)
            counts[f"bytes_{way}"] += sum(each.bytes for each in figures)
        streams = {"relay_streams_in": len(self.pulls), "relay_streams_out": len(self.serving)}
        return {**streams, **{f"relay_{name}": value for name, value in counts.items()}}

    def describe(self) -> Iterator[StreamDescription]:
        """What comes and goes, as REST shows it where it is asked for."""
        now, wall_clock = real_time(), self._wall_clock()
        for pull in self.pulls:
            if pull.ingest is not None and pull.broadcast is not None:
                row = self._describe(pull.name, pull.id, pull.ingest, wall_clock - now + pull.began)
                yield evolve(row, published=True, status=StreamStatus.PUBLISHING, viewers=pull.broadcast.audience)
        for leg in self.serving.legs:
            if leg.playback is not None:
                yield self._describe(leg.name, leg.media_session_id, leg.playback, wall_clock - now + leg.began)

    async def carry_out(self, sender: str, ask: PullStream | RelayNews, blank: NodeReply, deadline: float) -> NodeReply:
        """See `RelayAnswers.carry_out`."""
        match ask:
            case PullStream():
                return await self.serving.answer(sender, ask, blank, deadline)
            case RelayNews():
                return evolve(blank, count=int(self.pulls.hear(sender, ask)))

    def _coming(self) -> Iterator[DescribedMedia]:
        return (pull.ingest for pull in self.pulls if pull.ingest is not None)

    def _going(self) -> Iterator[DescribedMedia]:
        return (leg.playback for leg in self.serving.legs if leg.playback is not None)

    def _describe(self, name: str, pull: str, media: DescribedMedia, began: float) -> StreamDescription:
        """A row of no application: callers that are bound to some do not see it."""
        measures = measure_media(media)
        return StreamDescription(
            node_id=self._node_id,
            app_key="",
            session_id=pull,
            media_session_id=pull,
            name=name,
            published=False,
            has_video=media.video_codec is not None,
            has_audio=media.audio_codec is not None,
            status=StreamStatus.PLAYING,
            create_date=round(began * 1000),
            media_provider=RELAY,
            width=media.publication.width,
            height=media.publication.height,
            bitrate=media.bitrate_kbps,
            audio_codec=measures.audio_codec,
            video_codec=measures.video_codec,
            traffic=measures.traffic,
        )

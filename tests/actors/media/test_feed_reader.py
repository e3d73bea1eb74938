"""A worker may send as much as a publisher; beyond it, it is read later."""

import socket

from attrs import evolve

from actors.media.events import discard
from actors.media.ingest.fed_ingest import FedIngest
from actors.media.ingest.feed_reader import FeedReader, Feeds
from tests.support.media.media_rig import media_rig


async def test_a_reload_changes_how_fast_a_worker_is_read() -> None:
    async with media_rig(max_publisher_bitrate=8000) as rig:
        context = rig.plane.context
        feeds = Feeds(context, lambda handler: handler(), context.flush)
        theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, ours:
            reader = FeedReader(ours, feeds, lambda tracks: FedIngest(context, tracks, discard))
            assert reader._charge(1_000_000) == 0, "a second's worth at once"
            context.settings = evolve(context.settings, max_publisher_bitrate=8)
            assert reader._charge(10_000) >= 9, "1000 bytes a second"

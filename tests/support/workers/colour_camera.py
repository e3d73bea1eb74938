"""A page's camera that shows two colours."""

import trio

from tests.support.servers.full_server import FullServer
from tests.support.servers.server_process import POLL
from tests.support.session.wcs_client import PATIENCE, ClientStream
from tests.support.workers.colour_frames import WIDTH, Colour, payloads


async def shows(stream: ClientStream, server: FullServer, left: Colour, right: Colour) -> None:
    """The page's camera shows these colours; returns once its server has the picture, which has another size."""
    stream.sequence += 1
    (payload,) = payloads("VP8", left, right)
    stream.peer.send(stream.peer.rtp(stream.sequence, payload, marker=True, timestamp=stream.sequence * 3000))
    with trio.fail_after(PATIENCE):
        while [each["width"] for each in await server.streams(mediaSessionId=stream.id)] != [WIDTH]:  # noqa: ASYNC110
            await trio.sleep(POLL)

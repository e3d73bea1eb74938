"""A page's camera that shows two colours."""

from tests.support.session.wcs_client import ClientStream
from tests.support.workers.colour_frames import Colour, payloads


async def shows(stream: ClientStream, left: Colour, right: Colour) -> None:
    """The page's camera shows these colours."""
    stream.sequence += 1
    (payload,) = payloads("VP8", left, right)
    stream.peer.send(stream.peer.rtp(stream.sequence, payload, marker=True, timestamp=stream.sequence * 3000))

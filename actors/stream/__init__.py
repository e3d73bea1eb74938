"""Streams: one actor for each media session, published or played.

`start.py` starts a stream for any kind of owner (`owner.py`). `stream.py` holds what both kinds of stream share,
`published.py` and `played.py` what sets them apart, `broadcast.py` what lies between one publication and its players,
`end_reasons.py` why a stream ends; `keepalive.py` asks the backend whether it may go on.
"""

from actors.stream.broadcast import Broadcast
from actors.stream.owner import StreamOwner
from actors.stream.played import PlayedStream
from actors.stream.published import PublishedStream
from actors.stream.services import StreamServices
from actors.stream.start import StreamRefused, start_stream
from actors.stream.stream import Stream

__all__ = [
    "Broadcast",
    "PlayedStream",
    "PublishedStream",
    "Stream",
    "StreamOwner",
    "StreamRefused",
    "StreamServices",
    "start_stream",
]

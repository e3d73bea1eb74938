"""Streams: one actor for each media session, published or played.

`stream.py` holds what both kinds share, `published.py` and `played.py` what sets them apart, `broadcast.py` what lies
between one publication and its players, `end_reasons.py` why a stream ends, `keepalive.py` asks the backend whether it
may go on.
"""

from actors.stream.broadcast import Broadcast
from actors.stream.played import PlayedStream
from actors.stream.published import PublishedStream
from actors.stream.stream import ClientStop, Owner, Stream, StreamServices

__all__ = ["Broadcast", "ClientStop", "Owner", "PlayedStream", "PublishedStream", "Stream", "StreamServices"]

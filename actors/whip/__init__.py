"""WHIP and WHEP: sessions of clients that publish or play one stream by HTTP.

`session.py` is one of them, from the POST to the end of its stream; `sessions.py` begins them, within limits, and finds
them again by their resources.
"""

from actors.whip.sessions import WhipSessions

__all__ = ["WhipSessions"]

"""Sessions: one actor for each client's WebSocket.

`session.py` is the actor's life, `requests.py` what it does with each request; `inflow.py` and `outbox.py` bound what
waits on the way in and on the way out.
"""

from actors.session.session import Session, SessionServices, Socket

__all__ = ["Session", "SessionServices", "Socket"]

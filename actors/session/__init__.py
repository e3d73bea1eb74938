"""Sessions: one actor for each client's WebSocket.

`session.py` is the actor's life, `requests.py` what it does with each request, `outbox.py` the bounded way out.
"""

from actors.session.session import Session, SessionServices, Socket

__all__ = ["Session", "SessionServices", "Socket"]

"""Sessions: one actor for each client's WebSocket.

`session.py` is the actor's life, `requests.py` what it does with each request; `inflow.py` and `outbox.py` bound what
waits on the way in and on the way out, `event_allowance.py` what goes to viewers; `client_socket.py` is the WebSocket
below.
"""

from actors.session.client_socket import ClientSocket, Socket, StraightStream
from actors.session.outbox import OutboxPool
from actors.session.session import Session, SessionServices

__all__ = ["ClientSocket", "OutboxPool", "Session", "SessionServices", "Socket", "StraightStream"]

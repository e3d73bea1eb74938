"""Sessions: one actor for each client's WebSocket.

gateway      takes connections; `arrivals`: those that are no sessions yet; `admission`: how many there may be
session      the actor's life
services     what all sessions share
login/       how its backend lets it in, and who its client is
socket/      frames in and out: the WebSocket, what may come and how fast, what waits on the way out, pings
requests/    what becomes of each of the client's frames: streams, calls, rooms, data, pictures, diagnostics
describing   how REST sees it; `session_report`: what log, counts and events tell of it
video_rates  tells pages how much video goes each way
"""

from actors.session.services import SessionServices
from actors.session.session import Session, video_rate_pages
from actors.session.socket.client_socket import ClientSocket, NonBlockingStream, Socket
from actors.session.socket.metered_socket import receive_request
from actors.session.socket.outbox import OutboxPool
from actors.session.socket.reading import FrameDecoder
from actors.session.socket.receive_quota import ReceiveQuota, ReceiveQuotas
from actors.session.video_rates import VideoRates

__all__ = [
    "ClientSocket",
    "FrameDecoder",
    "NonBlockingStream",
    "OutboxPool",
    "ReceiveQuota",
    "ReceiveQuotas",
    "Session",
    "SessionServices",
    "Socket",
    "VideoRates",
    "receive_request",
    "video_rate_pages",
]

"""Sessions: one actor for each client's WebSocket.

`gateway.py` takes connections (`arrivals.py` those that are no sessions yet). `session.py` is the actor's life,
`backend_login.py` how its backend lets it in, `reading.py` how frames reach it and `writing.py` how they leave,
`requests.py` what it does with each request, `backend_requests.py` with those that wait for the backend,
`stream_events.py` with those that go to viewers, `data_exchange.py` with the page's own data. `receive_quota.py` and
`outbox.py` bound what comes in and what waits on the way out, `event_allowance.py` what goes to viewers;
`client_socket.py` is the WebSocket below, `metered_socket.py` counts what it reads. `video_rates.py` tells pages how
much video goes each way, `services.py` is what all sessions share.
"""

from actors.session.client_socket import ClientSocket, NonBlockingStream, Socket
from actors.session.metered_socket import receive_request
from actors.session.outbox import OutboxPool
from actors.session.reading import FrameDecoder
from actors.session.receive_quota import ReceiveQuota, ReceiveQuotas
from actors.session.services import SessionServices
from actors.session.session import Session, video_rate_pages
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

"""What all sessions of a server share."""

from collections.abc import Callable

import trio
from attrs import Factory, field, frozen

from actors.calls.pages.call_desk import CallDesk
from actors.calls.pages.parking import CallParking
from actors.hooks.dispatcher import HookDispatcher
from actors.rooms import RoomPlaces
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.session.admission import SessionAdmission
from actors.session.requests.calls import SessionCalls
from actors.session.requests.debug_reports import DebugReports
from actors.session.socket.outbox import OutboxPool
from actors.session.socket.pinging import PingSchedule
from actors.session.socket.reading import FrameDecoder
from actors.storage.app_store import AppStore
from actors.stream import StreamServices

log = get_logger("session")


@frozen(kw_only=True)
class SessionServices:
    """See above."""

    node_id: str
    dispatcher: HookDispatcher
    apps: AppStore
    streams: StreamServices
    rooms: RoomPlaces
    make_token: Callable[[], str]
    outboxes: OutboxPool
    decoder: FrameDecoder
    debug_reports: DebugReports | None = None
    """None: sessions are not debugged."""
    calls: CallDesk | None = None
    """None: there are no calls."""
    parking: CallParking[SessionCalls] | None = None
    """Where calls wait for clients that have asked for it."""
    admission: SessionAdmission = field(
        default=Factory(lambda self: SessionAdmission(self.streams.settings), takes_self=True)
    )
    pings: PingSchedule = field(factory=PingSchedule)
    warnings: RateLimitedLog = field(factory=lambda: RateLimitedLog(log, clock=trio.current_time))
    """For log lines that clients can cause at will."""

"""What all calls of a server share."""

from collections.abc import Callable

import trio
from attrs import field, frozen

from actors.calls.all_calls.call_counts import CallCounts
from actors.calls.all_calls.call_table import CallTable
from actors.media.plane import MediaPlane
from actors.node.drain import Drain
from actors.node.supervisor import Supervisor
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.overload import Overload
from actors.stream.services import StreamServices
from config.settings import Settings
from protocol.calls.fraud_limits import SETTINGS, CallLimits, CallParty, CallTicket
from protocol.calls.info_texts import CallInfo, CallRefused

OTHER = "other"
"""What refuses a call, if no limit does."""

log = get_logger("calls")


@frozen(kw_only=True)
class CallServices:
    """See above. `wall_clock` gives seconds since the epoch."""

    plane: MediaPlane
    supervisor: Supervisor
    streams: StreamServices
    settings: Settings
    limits: CallLimits
    wall_clock: Callable[[], float]
    overload: Overload
    drain: Drain
    counts: CallCounts = field(factory=CallCounts)
    table: CallTable = field(factory=CallTable)
    refusals: RateLimitedLog = field(factory=lambda: RateLimitedLog(log, burst=20, clock=trio.current_time))
    """The log of calls that are refused: of each, if they are not a flood, since it may be a fraud that is tried."""

    def admit(self, party: CallParty, *, incoming: bool = False) -> CallTicket:
        """A place for one more call. Raises CallRefused. It is for a call, or to be given back to `limits`."""
        if self.overload.refuses():
            raise CallRefused(CallInfo.SERVER_IS_OVERLOADED, sip_status=503)
        if self.drain.refuses():
            raise CallRefused(CallInfo.SERVER_IS_DRAINING, sip_status=503)
        return self.limits.admit(party, trio.current_time(), incoming=incoming)

    def refused(self, refused: CallRefused, *, session: str, call: str) -> None:
        """A call is refused: count it, and tell the operator which limit it was."""
        self.counts.refused[refused.detail if refused.detail in SETTINGS else OTHER] += 1
        self.refusals.warning("call refused", session=session, id=call, info=refused.info, detail=refused.detail)

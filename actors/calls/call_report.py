"""What is told of a call: its states, as statuses to its owner and its backend, and what REST and hooks are shown."""

from collections.abc import Callable, Mapping
from typing import Any

from actors.calls.all_calls.call_counts import COMPLETED, FAILED, PAGE, PHONE, REFUSED
from actors.calls.all_calls.services import CallServices
from actors.calls.owner import CallOwner
from actors.events.event_log import EventLog
from protocol.calls.description import CallDescription, call_object
from protocol.calls.life import CALL_LIFE, STATUSES, CallState, CallStep
from protocol.calls.request import CallRequest
from protocol.calls.statuses import CallStatus, TransferStatus
from protocol.hooks import HookMethod
from protocol.node.server_events import EventType

Tell = Callable[[CallDescription, Mapping[str, Any]], None]


class CallReport:
    """See above. `info` and `sip_status` may be set until the end; the backend chooses `callee` and `stream_name`.

    A transfer changes who the phone is: `callee`, or `caller` of a call that has come.
    """

    def __init__(self, request: CallRequest, owner: CallOwner, services: CallServices) -> None:
        self.state = CALL_LIFE.initial
        self.last: CallStatus | None = None
        """The last status, once it is known."""
        self.info = ""
        self.sip_status = 0
        self.caller, self.callee = request.caller, request.callee
        self.stream_name = request.to_stream
        self.is_held_for_transfer = False
        self._offer: str | None = None  # to a page that is called
        self._request, self._owner = request, owner
        self._events, self._counts = services.supervisor.events, services.counts
        self._created = int(services.wall_clock() * 1000)

    @property
    def is_up(self) -> bool:
        """Somebody has answered, and nobody has ended it."""
        return self.state in (CallState.UP, CallState.HELD)

    def enter(self, step: CallStep) -> None:
        """Tell the next status, if this step leads to another state."""
        if CALL_LIFE.allows(self.state, step):
            self.state = CALL_LIFE.after(self.state, step)
            self._announce(self._owner.call_status)

    def ring_page(self, sdp: str) -> None:
        """The page is told of a call that has come, and offered `sdp`."""
        self.state = CALL_LIFE.after(self.state, CallStep.RINGS)
        self._offer = sdp
        self._announce_ringing(sdp)

    def tell_again(self, answer: str | None) -> None:
        """Tell the current status once more: the owner's page is another one. `answer` is what its offer waits for."""
        if answer is not None:
            self._owner.call_answered(self._request.call_id, answer)
        if self.state is CallState.RINGING and self._offer is not None:
            self._announce_ringing(self._offer)
        elif self.state is not CallState.PENDING:
            self._announce(self._owner.call_status)

    def end(self, status: CallStatus, info: str) -> None:
        """Tell the last status: this one, if none was set before."""
        self.last, self.info = self.last or status, self.info or info
        self.enter(CallStep.ENDED)

    def go_on_with(self, phone: str, *, held: bool) -> None:
        """The call is up, and its phone is another one: tell the status anew."""
        if self._request.incoming:
            self.caller = phone
        else:
            self.callee = phone
        self.state = CallState.HELD if held else CallState.UP
        self._announce(self._owner.call_status)

    def warn(self, method: HookMethod, info: str) -> None:
        """Something that was wanted of the call is not done."""
        self._owner.call_warning(self._request.call_id, method, info)

    def transfer(
        self, status: TransferStatus, *, target: str, sip_status: int, reason: str, is_by_page: bool = True
    ) -> None:
        """Tell how far a transfer is: the backend, and the page if it has ordered it."""
        call_id = self._request.call_id
        body = self._owner.context.body(
            callId=call_id, target=target, status=status.value, sipStatus=sip_status, info=reason or None
        )

        def deliver(shown: Mapping[str, Any]) -> None:
            if is_by_page:
                self._owner.call_transfer(call_id, status)

        self._owner.lane.event(HookMethod.TRANSFER_STATUS_EVENT, body, deliver=deliver)
        if status is not TransferStatus.TRYING:
            result = COMPLETED if status is TransferStatus.COMPLETED else FAILED
            self._counts.transferred(PAGE if is_by_page else PHONE, result)

    def refuse_transfer(self, info: str | None) -> None:
        """One of the page's is not even tried; None: it has been told why."""
        self._counts.transferred(PAGE, REFUSED)
        if info is not None:
            self.warn(HookMethod.TRANSFER, info)

    def body(self, **fields: Any) -> dict[str, Any]:
        """The call as hooks are shown it."""
        return call_object(self.describe()) | fields

    def describe(self) -> CallDescription:
        context, request = self._owner.context, self._request
        return CallDescription(
            node_id=context.node_id,
            app_key=context.app_key,
            session_id=context.session_id,
            call_id=request.call_id,
            incoming=request.incoming,
            status=self.last or STATUSES[self.state],
            caller=self.caller,
            callee=self.callee,
            visible_name=request.visible_name,
            has_audio=request.has_audio,
            media_provider=request.media_provider,
            sip_status=self.sip_status,
            info=self.info,
            custom=request.custom,
            stream_name=self.stream_name,
            hold_for_transfer=self.is_held_for_transfer,
            create_date=self._created,
        )

    def _announce_ringing(self, sdp: str) -> None:
        self._announce(lambda call, shown: self._owner.call_rings(call.call_id, sdp, shown))

    def _announce(self, tell: Tell) -> None:
        call = self.describe()
        _emit(call, self._events)

        def deliver(shown: Mapping[str, Any]) -> None:
            tell(call, shown)

        is_last = call.status.is_last
        self._owner.lane.event(HookMethod.CALL_STATUS_EVENT, call_object(call), deliver=deliver, last=is_last)


def _emit(call: CallDescription, events: EventLog) -> None:
    events.emit(
        EventType.CALL_STATUS,
        app=call.app_key,
        nodeId=call.node_id,
        sessionId=call.session_id,
        callId=call.call_id,
        incoming=call.incoming,
        status=call.status.value,
        sipStatus=call.sip_status or None,
        caller=call.caller,
        callee=call.callee,
        info=call.info or None,
    )

"""The calls of one session: how its page's frames about them are handled, and who calls it.

Nothing here waits: each call is an actor, which asks the backend itself.
"""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import trio
from attrs import evolve, field, frozen

from actors.calls.all_calls.services import CallServices
from actors.calls.call import SESSION_GONE, PhoneCall
from actors.calls.call_messages import AnswerWish, DigitsWish, HoldWish, TransferWish
from actors.calls.pages.call_desk import CallDesk, text_of, wants_registration
from actors.calls.pages.parking import CallParking, Keeper, run_registration
from actors.calls.placed_call import PlacedCall
from actors.calls.received_call import CallArrival, ReceivedCall
from actors.calls.sip.dialer import Dialer
from actors.calls.sip.phone_line import CallListener, PhoneLine
from actors.calls.sip.registration import Registration
from actors.calls.start import start_call
from actors.calls.transfers.call_transfer import OTHER_NOT_UP
from actors.runtime.actor import StopReason
from actors.session.requests.page_calls import PageCalls
from actors.session.requests.websdk_owner import SessionOwner
from actors.session.socket.receive_quota import ReceiveQuota
from protocol.access.kicks import Subject
from protocol.calls.fraud_limits import CallParty, CallTicket
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.request import CallRequest
from protocol.calls.statuses import CallStatus
from protocol.hooks import HookMethod
from protocol.node.descriptions import ConnectionDescription
from protocol.signaling.frame_codec import weigh_frame
from protocol.signaling.frames import Fail, Finish, Registered, SipRequest
from protocol.signaling.session_statuses import SessionStatus
from protocol.sip.accounts.account import SipAccount
from protocol.sip.events import CallArrived

_UNAVAILABLE = 480


@frozen(kw_only=True)
class CallAccess:
    """What a session needs for calls. `account` and `dialer` are None if its connection has none."""

    desk: CallDesk
    account: SipAccount | None = None
    dialer: Dialer | None = None
    registers: bool = False
    """Whether the account is to be registered."""
    keeper: Keeper | None = None
    """Who may come back after the session; None: nobody is waited for."""
    parking: CallParking["SessionCalls"] | None = None
    former_token: str = field(default="", repr=False)
    """The token of a session that is over, which this one goes on with."""

    @property
    def services(self) -> CallServices:
        return self.desk.services


def call_access(
    desk: CallDesk | None,
    parking: CallParking["SessionCalls"] | None,
    sent: Mapping[str, Any],
    connected: Mapping[str, Any],
    subject: Subject,
    token: str,
) -> CallAccess | None:
    """For a session whose `connection` the backend was sent, and has answered by `connected`. None: no calls."""
    if desk is None:
        return None
    account = desk.account(connected, subject.session_id)
    keeper = Keeper(token=token, subject=subject, session=_session(sent, subject))
    return CallAccess(
        desk=desk,
        account=account,
        dialer=None if account is None else desk.dialer(account),
        registers=account is not None and wants_registration(connected, by_page="sipLogin" in sent),
        keeper=keeper if connected.get("keepAlive") in (True, "true") else None,
        parking=parking,
        former_token=text_of(connected, "authToken"),
    )


def _session(sent: Mapping[str, Any], subject: Subject) -> ConnectionDescription:
    """The session as it is found by while its client is away."""
    return ConnectionDescription(
        node_id=text_of(sent, "nodeId"),
        app_key=subject.app_key,
        session_id=subject.session_id,
        status=SessionStatus.DISCONNECTED,
        create_date=0,
        client_version=text_of(sent, "clientVersion") or None,
        origin=text_of(sent, "origin") or None,
    )


def open_session_calls(
    owner: SessionOwner, access: CallAccess | None, quota: ReceiveQuota, nursery: Callable[[], trio.Nursery]
) -> "SessionCalls":
    """Those that wait for this client, or new ones."""
    if access is not None and access.parking is not None and access.former_token:
        found = access.parking.take(access.former_token, app_key=owner.context.app_key)
        if found is not None:
            found.come_back(owner, access, quota)
            nursery().start_soon(found.tell_again)
            return found
    return SessionCalls(owner, access, quota, nursery)


class SessionCalls(PageCalls):
    """See above. `calls` are those that are not over, by callId."""

    def __init__(
        self,
        owner: SessionOwner,
        access: CallAccess | None,
        quota: ReceiveQuota,
        nursery: Callable[[], trio.Nursery],
    ) -> None:
        self.calls: dict[str, PhoneCall] = {}
        super().__init__(owner)
        self._counts_for = owner.context.session_id
        """The first session, to which calls count for as long as the client comes back."""
        self._access = access
        self._quota = quota
        self._weights: dict[str, tuple[ReceiveQuota, int]] = {}
        self._registration: Registration | None = None
        self._is_over = False
        if access is not None and access.registers and access.account is not None:
            self._registration = access.desk.registration(access.account, self)
            is_held = (
                access.keeper is not None and access.parking is not None and access.parking.hold(self._registration)
            )
            if not is_held:
                nursery().start_soon(run_registration, self._registration)

    # -- for its page ------------------------------------------------------------------------------

    def take(self, frame: SipRequest) -> None:
        """Handle a frame. A call or an answer always gets an answer; what is wanted of no call is ignored."""
        call = self.calls.get(frame.call_id)
        match frame.message:
            case "call":
                self._place(frame)
            case "answer" if call is not None:
                call.wish(AnswerWish(frame.sdp))
            case "answer":
                self.send(Finish(call_id=frame.call_id))
            case "hangup" if call is not None:
                call.hang_up()
            case "hold" | "unhold" if call is not None:
                call.wish(HoldWish(frame.message == "hold", frame.hold_for_transfer))
            case "sendDtmf" if call is not None:
                call.wish(DigitsWish(frame.dtmf, frame.type))
            case "transfer" if call is not None:
                self._transfer(call, frame.target)

    # -- for its registration ----------------------------------------------------------------------

    def registered(self) -> None:
        """The SIP server knows the account."""
        if self._registration is not None:  # its account, which may not be that of new calls
            login = self._registration.account.login
            self._tell_registration(SessionStatus.REGISTERED, lambda: self.send(Registered(sip_login=login)))

    def registration_failed(self, status: int, reason: str) -> None:
        """It does not: the page is warned, and goes on."""
        info = f"SIP registration failed: {status} {reason}".strip()
        frame = Fail(info=info, extra={"method": str(HookMethod.REGISTRATION_STATUS_EVENT)})
        self._tell_registration(SessionStatus.FAILED, lambda: self.send(frame), sipStatus=status, info=info)

    def call_arrived(self, event: CallArrived, phone: PhoneLine) -> CallListener | int:
        """Somebody calls this session's account: who hears what happens, or the status to refuse with."""
        access = self._access
        if access is None or access.dialer is None or self._is_over:
            return _UNAVAILABLE
        request = CallRequest(
            call_id=str(uuid.uuid4()),
            incoming=True,
            caller=event.caller.uri.address_of_record,
            callee=event.callee.user or access.dialer.account,
            visible_name=event.caller.display_name,
        )
        arrival = CallArrival(
            phone=phone,
            offer=event.offer,
            signalling=(event.source.host,),
            transport=event.source.transport,
        )
        try:
            ticket = self._admit(access, incoming=True)
            call = ReceivedCall(arrival, request, self, access.dialer, ticket, access.services)
            self._start(call, access.services, ticket)
        except CallRefused as refused:
            return refused.sip_status
        return call.sip_told

    def end(self, reason: StopReason, *, is_lost: bool) -> None:
        """The session is over, and with it its calls; unless its client is lost, but has asked for them to wait."""
        if not (is_lost and self._wait()):
            self._end(reason)

    # -- for its client that comes back ------------------------------------------------------------

    def come_back(self, owner: SessionOwner, access: CallAccess, quota: ReceiveQuota) -> None:
        """Go on for another session of the client, by the account that there was if it names none."""
        self.attach(owner)
        before, self._quota = self._access, quota
        self._access = access
        if access.account is None and before is not None:
            self._access = evolve(access, account=before.account, dialer=before.dialer)

    async def tell_again(self) -> None:
        """Tell the page what there is, and what it has missed."""
        self.tell_missed()
        if self._registration is not None and self._registration.is_registered:
            self.registered()
        for call in tuple(self.calls.values()):
            call.tell_again()

    def leave(self) -> None:
        """The client has not come back."""
        self._end(SESSION_GONE)
        self.lane.close()

    def _wait(self) -> bool:
        access = self._access
        if access is None or access.keeper is None or access.parking is None:
            return False
        if self._registration is None and not self.calls:
            return False
        if not access.parking.park(access.keeper, self):
            return False
        self.detach(self.calls)
        return True

    def _end(self, reason: StopReason) -> None:
        self._is_over = True
        if self._registration is not None:
            self._registration.stop(reason)
        for call in tuple(self.calls.values()):
            call.stop(reason)

    # -- inside ------------------------------------------------------------------------------------

    def _place(self, frame: SipRequest) -> None:
        access = self._access
        if frame.call_id in self.calls:  # `finish` would end the page's running call of this id
            self.send(Fail(api_method=frame.message, id=frame.call_id, info=CallInfo.CALL_ID_IN_USE))
            return
        try:
            if access is None:
                raise CallRefused(CallInfo.NOT_SERVED)
            if access.dialer is None:
                raise CallRefused(CallInfo.NO_ACCOUNT)
            ticket = self._admit(access)
            self._keep(frame, access, ticket)
            call = PlacedCall(_request(frame, access.dialer), self, access.dialer, ticket, access.services)
            self._start(call, access.services, ticket)
        except CallRefused as refused:
            self._refuse(frame.call_id, refused)

    def _transfer(self, call: PhoneCall, target: str) -> None:
        """To somebody, or to the phone of another call of the page."""
        access, other = self._access, self.calls.get(target)
        if access is None or access.dialer is None:
            return
        line = None if other is None else other.line
        if other is not None and line is None:
            self.call_warning(call.call_id, HookMethod.TRANSFER, OTHER_NOT_UP)
            return
        try:  # somebody is called, as by a call
            access.services.limits.attempt(self._party(access), trio.current_time())
        except CallRefused as refused:
            access.services.refused(refused, session=self.context.session_id, call=call.call_id)
            self.call_warning(call.call_id, HookMethod.TRANSFER, refused.info)
            return
        call.wish(TransferWish(target=target, dialer=access.dialer, other=line))

    def _admit(self, access: CallAccess, *, incoming: bool = False) -> CallTicket:
        return access.services.admit(self._party(access), incoming=incoming)

    def _party(self, access: CallAccess) -> CallParty:
        return CallParty(
            session_id=self._counts_for,
            app_key=self.context.app_key,
            account="" if access.dialer is None else access.dialer.account,
            address=self.subject.address or "",
        )

    def _keep(self, frame: SipRequest, access: CallAccess, ticket: CallTicket) -> None:
        """What a call keeps of its frame counts as the client's memory."""
        weight = weigh_frame(frame)
        if not self._quota.keep(weight):
            access.services.limits.give_back(ticket, 0.0, trio.current_time())
            raise CallRefused(CallInfo.TOO_MANY_CALLS, "max_client_memory")
        self._weights[frame.call_id] = self._quota, weight

    def _start(self, call: PhoneCall, services: CallServices, ticket: CallTicket) -> None:
        try:
            start_call(call, services)
        except CallRefused:
            services.limits.give_back(ticket, 0.0, trio.current_time())
            self.call_over(call.call_id)
            raise
        self.calls[call.call_id] = call

    def _refuse(self, call_id: str, refused: CallRefused) -> None:
        if self._access is not None:
            self._access.services.refused(refused, session=self.context.session_id, call=call_id)
        self.send(Finish(call_id=call_id, status=CallStatus.FAILED, info=refused.info))

    def _tell_registration(self, status: SessionStatus, deliver: Callable[[], None], **fields: Any) -> None:
        body = self.context.body(status=status, **fields)
        self.lane.event(HookMethod.REGISTRATION_STATUS_EVENT, body, deliver=lambda shown: deliver())

    def call_over(self, call_id: str) -> None:
        self.calls.pop(call_id, None)
        kept = self._weights.pop(call_id, None)
        if kept is not None:
            quota, weight = kept
            quota.give_back(weight)


def _request(frame: SipRequest, dialer: Dialer) -> CallRequest:
    return CallRequest(
        call_id=frame.call_id,
        incoming=False,
        caller=frame.caller or dialer.account,
        callee=frame.callee,
        visible_name=frame.visible_name,
        has_video=frame.has_video,
        has_audio=frame.has_audio,
        media_provider=frame.media_provider,
        sdp=frame.sdp,
        custom=frame.custom,
        to_stream=frame.to_stream,
    )

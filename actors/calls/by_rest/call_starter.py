"""Calls that REST begins: without a page, for a stream or for what is injected."""

import uuid
from typing import Final

import trio
from attrs import frozen

from actors.calls.all_calls.call_ids import IdClaim
from actors.calls.by_rest.account_file import named_account
from actors.calls.by_rest.rest_owner import RestCallOwner
from actors.calls.pages.call_desk import CallDesk
from actors.calls.placed_call import PlacedCall
from actors.calls.sip.dialer import Dialer
from actors.calls.start import start_call
from actors.hooks.dispatcher import HookDispatcher
from actors.hooks.lanes.lane import HookLane
from actors.runtime.logs import get_logger
from actors.storage.app_store import AppStore
from config.apps import App
from protocol.calls.fraud_limits import CallParty
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.order import CallOrder, SipLogin
from protocol.calls.request import CallRequest
from protocol.hooks import HookContext, HookMethod, MethodConfig, RestClientConfig, RestOnError
from protocol.node.filters import StreamFilter
from protocol.sip.accounts.account import BadAccount, make_account
from protocol.stream.info_texts import StreamInfo

_FAIL: Final = MethodConfig(rest_on_error=RestOnError.FAIL)
_ASKED: Final = (
    HookMethod.CALL,
    HookMethod.ON_TRANSFER_EVENT,
    HookMethod.PUBLISH_STREAM,
    HookMethod.STREAM_KEEP_ALIVE_EVENT,
)
_POLICIES: Final = RestClientConfig(dict.fromkeys(_ASKED, _FAIL))
"""No `connect` is sent for such a call, in whose answer a backend could choose: its refusals count."""

log = get_logger("calls")


@frozen(kw_only=True)
class CallStarter:
    """See above."""

    node_id: str
    desk: CallDesk
    dispatcher: HookDispatcher
    apps: AppStore

    async def start(self, order: CallOrder) -> None:
        """Begin a call, which then goes on by itself. Raises CallRefused."""
        services = self.desk.services
        app = self.apps.by_key(order.app_key)
        if app is None:
            raise CallRefused(CallInfo.UNKNOWN_APPLICATION, sip_status=400)
        login = order.login or await named_account(services.settings.sip_accounts_file, order.account, app.key)
        dialer = self._dialer(login)
        dialer.callee(order.callee)
        await self._check_name(order.to_stream)
        claim = await services.table.ids.claim(order.call_id)
        try:
            self._begin(order, app, dialer, claim)
        except CallRefused:
            claim.release()
            raise

    def _begin(self, order: CallOrder, app: App, dialer: Dialer, claim: IdClaim) -> None:
        services = self.desk.services
        session_id = f"call-{uuid.uuid4()}"
        party = CallParty(session_id=session_id, app_key=app.key, account=dialer.account, address=None)
        ticket = services.admit(party)
        owner = RestCallOwner(
            context=HookContext(node_id=self.node_id, app_key=app.key, session_id=session_id),
            lane=self._open_lane(app, session_id),
        )
        call = PlacedCall(_request(order, dialer), owner, dialer, ticket, services)
        call.take_id(claim)
        try:
            start_call(call, services)
        except CallRefused:
            services.limits.give_back(ticket, 0.0, trio.current_time())
            owner.lane.close()
            raise

    def _dialer(self, login: SipLogin) -> Dialer:
        try:
            return self.desk.dialer(
                make_account(
                    self.desk.servers,
                    login=login.login,
                    domain=login.domain,
                    password=login.password,
                    authentication_name=login.authentication_name,
                    outbound_proxy=login.outbound_proxy,
                    port=login.port,
                )
            )
        except BadAccount as error:
            raise CallRefused(str(error), "sip.servers", sip_status=400) from None

    async def _check_name(self, name: str) -> None:
        """Tell at once what the stream would be told in a moment."""
        query = StreamFilter(name=name, published=True)
        services = self.desk.services
        if name and (services.supervisor.matching(query) or await services.streams.directory.is_available(name)):
            raise CallRefused(StreamInfo.STREAM_NAME_ALREADY_IN_USE, sip_status=409)

    def _open_lane(self, app: App, session_id: str) -> HookLane:
        lane = self.dispatcher.open_lane(app=app, session_id=session_id, on_warning=_warn)
        lane.config = _POLICIES
        return lane


def _request(order: CallOrder, dialer: Dialer) -> CallRequest:
    return CallRequest(
        call_id=order.call_id,
        incoming=False,
        caller=dialer.account,
        callee=order.callee,
        visible_name=order.visible_name,
        media_provider="SIP",
        to_stream=order.to_stream,
    )


def _warn(method: HookMethod, info: str) -> None:
    log.debug("the backend failed", method=method, info=info)

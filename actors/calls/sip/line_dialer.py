"""The calls of one account, through the SIP endpoint."""

import secrets

import trio
from attrs import evolve

from actors.calls.sip.access import SipForbidden, SipUnreachable
from actors.calls.sip.dialer import CallRoute
from actors.calls.sip.endpoint import SipEndpoint
from actors.calls.sip.phone_line import CallListener, PhoneLine
from actors.runtime.timeouts import fail_after
from config.settings import Settings
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.phone_sdp import PhoneOffers
from protocol.sip.accounts.account import SipAccount
from protocol.sip.accounts.callee import CalleeRefused, check_callee, read_callee
from protocol.sip.accounts.servers import SETTING
from protocol.sip.calls.outgoing_call import Invitation
from protocol.sip.messages.headers import SipUri, bracketed, escaped_user

LOOKUP_TIMEOUT = 10.0
"""Seconds for the addresses of a server."""


class SipDialer:
    """Implements `actors.calls.sip.dialer.Dialer`."""

    def __init__(self, account: SipAccount, endpoint: SipEndpoint, settings: Settings) -> None:
        self._account, self._endpoint, self._settings = account, endpoint, settings

    @property
    def account(self) -> str:
        return self._account.address.uri.address_of_record

    def callee(self, text: str) -> SipUri:
        settings, servers = self._settings, self._endpoint.access.servers
        try:
            uri = read_callee(text, self._account.domain, servers)
            if uri.host != self._account.domain and not servers.allows_any and servers.find(uri.host) is None:
                raise CalleeRefused("the callee is at a domain that is not listed", "sip.servers")
            check_callee(uri, settings.sip_callee_allow, settings.sip_callee_deny)
        except CalleeRefused as refused:
            info = CallInfo.CALLEE_REFUSED if refused.setting else CallInfo.CALLEE_MALFORMED
            raise CallRefused(info, refused.setting or str(refused), sip_status=403) from None
        return uri

    def party(self, uri: SipUri) -> SipUri:
        """The rules are those of `callee`. The account's server may be named by its address."""
        account = self._account
        if uri.scheme == "tel":
            return self.callee(f"tel:{uri.user}")
        if self._endpoint.access.is_at(account.server[0], uri.host):
            return self.callee(f"sip:{uri.user}@{bracketed(account.domain)}")
        port = "" if uri.port is None else f":{uri.port}"
        return self.callee(f"sip:{uri.user}@{uri.host_text}{port}")

    async def route(self, callee: SipUri) -> CallRoute:
        """All requests of an account go to its own server, or its proxy: that knows where others are."""
        try:
            with fail_after(LOOKUP_TIMEOUT):
                hops = await self._endpoint.access.hops(*self._account.server)
        except SipForbidden:
            raise CallRefused(CallInfo.DOMAIN_REFUSED, SETTING, sip_status=403) from None
        except (SipUnreachable, trio.TooSlowError) as error:
            raise CallRefused(CallInfo.SERVER_UNREACHABLE, str(error), sip_status=503) from None
        with trio.move_on_after(LOOKUP_TIMEOUT):  # then all are tried as they are
            hops = await self._endpoint.reachable_first(hops)
        return CallRoute(hops=hops)

    def dial(
        self,
        callee: SipUri,
        route: CallRoute,
        offers: PhoneOffers,
        *,
        visible_name: str,
        listener: CallListener,
        replaces: str | None = None,
    ) -> PhoneLine:
        account = self._account
        invitation = Invitation(
            caller=evolve(account.address, display_name=visible_name or account.display_name),
            callee=callee,
            hops=route.hops,
            offer=offers.first,
            fallback=offers.fallback,
            contact_user=escaped_user(account.login),
            contact_token=secrets.token_hex(16),
            headers=() if replaces is None else (("Replaces", replaces),),
        )
        return self._endpoint.call(invitation, account.credentials, listener)

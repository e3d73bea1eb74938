"""Where sessions get what they need for calls: their account, as the connection and its backend name it."""

from collections.abc import Mapping
from typing import Any

from actors.calls.all_calls.services import CallServices
from actors.calls.sip.endpoint import SipEndpoint
from actors.calls.sip.line_dialer import SipDialer
from actors.calls.sip.registration import Registration, RegistrationOwner
from config.live import follow
from config.settings import Settings
from protocol.calls.fraud_limits import FraudLimits
from protocol.sip.accounts.account import BadAccount, SipAccount, make_account
from protocol.sip.accounts.servers import SipServers


class CallDesk:
    """See above."""

    def __init__(self, services: CallServices, endpoint: SipEndpoint) -> None:
        self.services = services
        self._endpoint = endpoint
        follow(services.settings, self._adopt)

    @property
    def servers(self) -> SipServers:
        """Those that accounts may be at."""
        return self._endpoint.access.servers

    def account(self, connected: Mapping[str, Any], session_id: str) -> SipAccount | None:
        """The account of a connection, `connected` as its backend has answered it; None without one that can be."""
        if not text_of(connected, "sipLogin"):
            return None
        try:
            return make_account(
                self.servers,
                login=text_of(connected, "sipLogin"),
                domain=text_of(connected, "sipDomain"),
                password=text_of(connected, "sipPassword"),
                authentication_name=text_of(connected, "sipAuthenticationName"),
                outbound_proxy=text_of(connected, "sipOutboundProxy"),
                port=_port(connected),
            )
        except BadAccount as error:
            self.services.refusals.warning("SIP account refused", session=session_id, why=str(error))
            return None

    def dialer(self, account: SipAccount) -> SipDialer:
        """For the calls of an account."""
        return SipDialer(account, self._endpoint, self.services.settings)

    def registration(self, account: SipAccount, owner: RegistrationOwner) -> Registration:
        """The registration of an account, to be run."""
        return Registration(account, owner, self._endpoint, self.services.settings)

    def _adopt(self, settings: Settings) -> None:
        self.services.limits.change(fraud_limits(settings))


def fraud_limits(settings: Settings) -> FraudLimits:
    """As the settings have them."""
    return FraudLimits(
        calls_per_session=settings.sip_max_calls_per_session,
        calls_per_app=settings.sip_max_calls_per_app,
        calls_per_account=settings.sip_max_calls_per_account,
        calls_in_all=settings.sip_max_calls,
        attempts_per_minute=settings.sip_max_calls_per_minute,
        minutes_per_day=settings.sip_max_minutes_per_day,
    )


def wants_registration(connected: Mapping[str, Any], *, by_page: bool) -> bool:
    """Whether a connection is to be registered. One that does not say so is, if the account is its page's own.

    Accounts that a backend gives are often shared: who calls one of them would reach any of the pages.
    """
    wanted = connected.get("sipRegisterRequired")
    return by_page if wanted is None else wanted in (True, "true")


def text_of(connected: Mapping[str, Any], key: str) -> str:
    """A field of a connection; empty if it is not there, or no text."""
    value = connected.get(key)
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""


def _port(connected: Mapping[str, Any]) -> int | None:
    text = text_of(connected, "sipPort")
    return int(text) if len(text) < 6 and text.isdecimal() and 0 < int(text) < 65_536 else None

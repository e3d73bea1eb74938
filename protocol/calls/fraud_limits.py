"""Limits against toll fraud: calls cost money, and a page's credentials are soon somebody else's.

All limits are on from the start. Times are seconds of one monotonic clock.
"""

from collections import Counter
from typing import Final

from attrs import field, frozen

from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.common.shared_rates import RateShares

DAY: Final = 86_400.0
SETTINGS: Final = frozenset(
    {
        "sip.max_calls",
        "sip.max_calls_per_app",
        "sip.max_calls_per_account",
        "sip.max_calls_per_session",
        "sip.max_calls_per_minute",
        "sip.max_minutes_per_day",
        "sip.callee_allow",
        "sip.callee_deny",
        "sip.servers",
        "sip.sdes",
    }
)
"""The settings that refuse calls, as they are the `detail` of a refusal."""


@frozen(kw_only=True)
class FraudLimits:
    """How many calls at once, attempts and minutes: 0 of the minutes for no limit."""

    calls_per_session: int
    calls_per_app: int
    calls_per_account: int
    calls_in_all: int
    attempts_per_minute: int
    """Of one client address, those that are refused included."""
    minutes_per_day: int
    """Of one application, of calls that pages make."""


@frozen(kw_only=True)
class CallParty:
    """Who a call counts for. `account` is the user at its domain."""

    session_id: str
    app_key: str
    account: str
    address: str | None
    """Of the client; None: nobody's attempts are counted, since an operator calls."""


@frozen(eq=False)
class CallTicket:
    """A call's place within the limits. It is to be given back."""

    party: CallParty
    counts: bool = field(default=True)
    """Whether its minutes count: calls that others make cost them."""


class CallLimits:
    """The calls of a server, by whom they count for. `refused` counts those that were too many, by their setting."""

    def __init__(self, limits: FraudLimits) -> None:
        self.refused: Counter[str] = Counter()
        self.running = 0
        self._limits = limits
        self._by_session: Counter[str] = Counter()
        self._by_app: Counter[str] = Counter()
        self._by_account: Counter[str] = Counter()
        self._attempts = RateShares(limits.attempts_per_minute / 60, limits.attempts_per_minute)
        self._day = 0.0
        self._minutes: Counter[str] = Counter()
        self._up: dict[CallTicket, float] = {}

    def change(self, limits: FraudLimits) -> None:
        """Other limits from now on; calls that are under way go on."""
        self._limits = limits
        self._attempts.change(limits.attempts_per_minute / 60, limits.attempts_per_minute)

    def admit(self, party: CallParty, now: float, *, incoming: bool = False) -> CallTicket:
        """A call begins. Raises CallRefused; the `detail` names the setting."""
        limits = self._limits
        if not incoming:
            self.attempt(party, now)
        for name, count, most in (
            ("sip.max_calls_per_session", self._by_session[party.session_id], limits.calls_per_session),
            ("sip.max_calls_per_app", self._by_app[party.app_key], limits.calls_per_app),
            ("sip.max_calls_per_account", self._by_account[party.account], limits.calls_per_account),
            ("sip.max_calls", self.running, limits.calls_in_all),
        ):
            if count >= most:
                self._refuse(name, CallInfo.TOO_MANY_CALLS)
        self._count(party, 1)
        return CallTicket(party, not incoming)

    def attempt(self, party: CallParty, now: float) -> None:
        """A number is called, by a call or by a transfer. Raises CallRefused as `admit`."""
        if party.address is not None and self._attempts.charge(party.address, now) > 0:
            self._refuse("sip.max_calls_per_minute", CallInfo.TOO_MANY_ATTEMPTS)
        if self._is_used_up(party.app_key, now):
            self._refuse("sip.max_minutes_per_day", CallInfo.TOO_MANY_CALLS)

    def answered(self, ticket: CallTicket, now: float) -> None:
        """The call costs money from now on."""
        if ticket.counts:
            self._up[ticket] = now

    def give_back(self, ticket: CallTicket, seconds: float, now: float) -> None:
        """The call is over; it was up for `seconds`."""
        self._count(ticket.party, -1)
        self._up.pop(ticket, None)
        if ticket.counts and seconds > 0:
            self._turn_day(now)
            self._minutes[ticket.party.app_key] += _begun_minutes(seconds)

    # -- inside --------------------------------------------------------------------------------------------------

    def _is_used_up(self, app_key: str, now: float) -> bool:
        self._turn_day(now)
        most = self._limits.minutes_per_day
        running = (now - since for ticket, since in self._up.items() if ticket.party.app_key == app_key)
        return bool(most) and self._minutes[app_key] + sum(map(_begun_minutes, running)) >= most

    def _turn_day(self, now: float) -> None:
        if now - self._day >= DAY:
            self._day = now
            self._minutes.clear()

    def _count(self, party: CallParty, step: int) -> None:
        self.running += step
        for counter, key in (
            (self._by_session, party.session_id),
            (self._by_app, party.app_key),
            (self._by_account, party.account),
        ):
            counter[key] += step
            if not counter[key]:
                del counter[key]

    def _refuse(self, setting: str, info: CallInfo) -> None:
        self.refused[setting] += 1
        raise CallRefused(info, setting, sip_status=486)


def _begun_minutes(seconds: float) -> int:
    """As carriers count."""
    return -int(-seconds // 60)

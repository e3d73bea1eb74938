"""A page's registration at a SIP server: kept alive as long as the page, tried again when it fails.

registering -> registered -> (refreshed at about 0.8 of its time ...) -> given back
failed      -> again after 30 to 300 s; never, if the server does not know the account
"""

import contextlib
from typing import ClassVar, Final, Protocol

import trio
from attrs import frozen

from actors.calls.sip.access import SipForbidden, SipUnreachable, uniform
from actors.calls.sip.endpoint import SipEndpoint
from actors.calls.sip.phone_line import CallListener, PhoneLine
from actors.runtime.actor import Actor, ActorStopped, MailboxFull, StopReason
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.timeouts import fail_after
from config.settings import Settings
from protocol.common.growing_pause import GrowingPause
from protocol.sip.accounts.account import SipAccount
from protocol.sip.accounts.account_states import RegistrationDescription, RegistrationState
from protocol.sip.events import CallArrived, RegistrationEvent, RegistrationFailed, RegistrationSucceeded
from protocol.sip.messages.headers import escaped_user
from protocol.sip.registration import RegistrationPlan

REFRESH_AT: Final = 0.8
"""Of the time that a registration holds, give or take a tenth of that."""
FIRST_RETRY, LAST_RETRY = 30.0, 300.0
SHORTEST: Final = 10.0
"""Seconds between two refreshes, however short the server's time is."""
LOOKUP_TIMEOUT: Final = 10.0
FINAL: Final = frozenset({401, 403, 404, 407, 416, 420, 484, 604})
"""Refusals after which another try would be no better, and might have the server ban us."""

log = get_logger("sip")


class RegistrationOwner(Protocol):
    """Whose registration it is. None of these may wait."""

    def registered(self) -> None:
        """The server knows the account, for the first time or again after a failure."""

    def registration_failed(self, status: int, reason: str) -> None:
        """It does not; `status` is SIP's. It may be tried again."""

    def call_arrived(self, event: CallArrived, line: PhoneLine) -> CallListener | int:
        """A call for the account: who hears about it, or the status to refuse it with."""


@frozen
class _Due:
    """It is time for the next REGISTER."""

    turn: int


class Registration(Actor[RegistrationEvent | _Due]):
    """See above."""

    mailbox_size: ClassVar[int] = 16

    def __init__(
        self, account: SipAccount, owner: RegistrationOwner, endpoint: SipEndpoint, settings: Settings
    ) -> None:
        super().__init__()
        self.account = account
        self.state = RegistrationState.REGISTERING
        self._last_failure = 0, ""
        self._owner: RegistrationOwner | None = owner
        self._endpoint, self._settings = endpoint, settings
        self._id: str | None = None
        self._turn = 0
        self._pause = GrowingPause(FIRST_RETRY, LAST_RETRY)
        self._log = RateLimitedLog(log, clock=trio.current_time)

    def __repr__(self) -> str:
        return f"Registration({self.account.login}@{self.account.domain})"

    @property
    def is_registered(self) -> bool:
        return self.state is RegistrationState.REGISTERED

    @property
    def id(self) -> str | None:
        """At the endpoint, once it has begun."""
        return self._id

    def describe(self) -> RegistrationDescription:
        """As operators are shown it."""
        status, why = self._last_failure
        return RegistrationDescription(
            account=self.account.address.uri.address_of_record,
            server=self.account.server[0],
            state=self.state,
            status=status,
            why=why,
        )

    # -- for the endpoint --------------------------------------------------------------------------------------------

    def registration_event(self, event: RegistrationEvent) -> None:
        """What the registrar has said."""
        with contextlib.suppress(MailboxFull, ActorStopped):
            self.post(event)

    def call_arrived(self, event: CallArrived, line: PhoneLine) -> CallListener | int:
        """A call for the account."""
        return 480 if self._owner is None else self._owner.call_arrived(event, line)

    # -- life --------------------------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        self._endpoint.accounts.add(self)
        await self._try()

    async def handle(self, message: RegistrationEvent | _Due) -> None:
        match message:
            case RegistrationSucceeded():
                self._succeeded(message)
            case RegistrationFailed():
                self._failed(message.status, message.reason, message.retry_after)
            case _Due(turn) if turn == self._turn:
                await self._try()

    def teardown(self, reason: StopReason) -> None:
        self._endpoint.accounts.remove(self)
        self._drop(gives_back=True)

    def drop_references(self) -> None:
        self._owner = None

    def end_log_fields(self) -> dict[str, object]:
        return {"account": self.account.address.uri.address_of_record}

    async def _try(self) -> None:
        if self._id is not None:
            self._endpoint.refresh(self._id)
            return
        limit = self._settings.sip_max_registrations
        if self._endpoint.registration_count >= limit:
            self._failed(503, f"more than {limit} registrations (sip.max_registrations)", None)
            return
        try:
            with fail_after(LOOKUP_TIMEOUT):
                hops = await self._endpoint.access.hops(*self.account.server)
        except SipForbidden as error:
            self._failed(403, str(error), None)
            return
        except (SipUnreachable, trio.TooSlowError) as error:
            self._failed(503, str(error) or "no answer about the server's address", None)
            return
        await self.go_on()
        plan = RegistrationPlan(
            account=self.account.address,
            registrar=self.account.registrar,
            hops=hops,
            contact_user=escaped_user(self.account.login),
            expires=self._settings.sip_registration_expires,
        )
        self._id = self._endpoint.register(plan, self.account.credentials, self)

    def _succeeded(self, event: RegistrationSucceeded) -> None:
        self._pause.reset()
        if not self.is_registered:
            self.state, self._last_failure = RegistrationState.REGISTERED, (0, "")
            self._log.info("registered at SIP server", **self.end_log_fields(), expires=event.expires)
            if self._owner is not None:
                self._owner.registered()
        part = REFRESH_AT * uniform(0.9, 1.1)
        self._remind(max(SHORTEST, event.expires * part))

    def _failed(self, status: int, reason: str, retry_after: float | None) -> None:
        self.state, self._last_failure = RegistrationState.FAILED, (status, reason)
        self._endpoint.transport.counts.registrations_failed += 1
        self._drop(gives_back=False)
        self._log.warning("SIP registration failed", **self.end_log_fields(), status=status, why=reason)
        if status not in FINAL:
            self._remind(max(self._pause.next(), min(retry_after or 0.0, 3_600.0)) * uniform(0.9, 1.1))
        if self._owner is not None:
            self._owner.registration_failed(status, reason)

    def _drop(self, *, gives_back: bool) -> None:
        known, self._id = self._id, None
        if known is not None:
            self._endpoint.unregister(known, gives_back=gives_back)

    def _remind(self, delay: float) -> None:
        self._turn += 1
        self.nursery.start_soon(self._remind_later, delay, self._turn)

    async def _remind_later(self, delay: float, turn: int) -> None:
        await trio.sleep(delay)
        with contextlib.suppress(MailboxFull, ActorStopped):
            self.post(_Due(turn))

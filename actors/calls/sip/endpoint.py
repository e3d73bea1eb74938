"""The SIP endpoint of this server: one user agent for all registrations and calls, with its transport and timers.

Owners act through `perform` and their `PhoneLine`, which never wait, and hear of events by plain calls.
"""

import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol, TypeVar

import trio

from actors.calls.sip.access import SipAccess, uniform
from actors.calls.sip.addresses import SipAddresses
from actors.calls.sip.arriving_calls import ArrivingCalls, HeldRegistration, RegistrationHolder
from actors.calls.sip.counts import SipCounts
from actors.calls.sip.phone_line import CallListener, PhoneLine
from actors.calls.sip.registration_table import RegistrationTable
from actors.calls.sip.renewals import RegistrationRenewals
from actors.runtime.actor import crash_guard
from actors.runtime.logs import RateLimitedLog, get_logger
from config.live import follow
from config.settings import Settings
from protocol.sip.calls.outgoing_call import Invitation
from protocol.sip.core import Outbound, Surroundings
from protocol.sip.events import CallArrived, CallEnded, RegistrationEvent, RegistrationSucceeded, SipEvent
from protocol.sip.messages.digest import SipCredentials
from protocol.sip.messages.message import ResponseMessage, SipMessage
from protocol.sip.registration import RegistrationPlan
from protocol.sip.traffic import SipTraffic
from protocol.sip.transactions.machines import Hop
from protocol.sip.user_agent import UserAgent

KEEP_ALIVE: Final = 25.0
"""Seconds between keep-alives, so that routers in between do not forget us."""
UNREGISTER_PACE: Final = (20, 0.1)
"""So many registrations are given back at a time, and the seconds until the next: 200 per second."""
LEAVE_TIMEOUT: Final = 5.0

T = TypeVar("T")
log = get_logger("sip")


class MessageTransport(Protocol):
    """What brings messages there and back; see `actors.calls.sip.transport`."""

    counts: SipCounts

    @property
    def connection_count(self) -> int: ...
    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None: ...
    def send(self, outbound: Outbound) -> None: ...
    def keep_alive(self, hops: Iterable[Hop]) -> None: ...
    async def ready(self, hop: Hop) -> tuple[str, int] | None: ...


MakeTransport = Callable[
    [Callable[[SipMessage, Hop], None], Callable[[Outbound], None], Callable[[Hop], None]], MessageTransport
]
"""Makes it, out of who takes messages, who takes back those that cannot be sent, and who hears of lost connections."""


class SipEndpoint:
    """See above. `run` first. Where SIP is off there is none."""

    def __init__(
        self,
        port: int,
        settings: Settings,
        access: SipAccess,
        make_transport: MakeTransport,
        *,
        public: Mapping[str, str] | None = None,
    ) -> None:
        self.port, self.access = port, access
        self._locals = SipAddresses(port, public or {}, bound=settings.sip_address)
        self._agent = UserAgent(
            Surroundings(
                sent_by=self._locals.sent_by,
                contact_at=self._locals.contact_at,
                token=lambda: secrets.token_hex(16),
                uniform=uniform,
                may_reach=access.may_reach,
                is_server=lambda hop: access.server_at(hop) is not None,
                takes_tcp=access.takes_tcp,
                note_udp_only=access.ways.note_udp_only,
                note_down=access.ways.note_down,
            )
        )
        self.transport = make_transport(self._message_arrived, self._unsent, self._connection_lost)
        self._registrations: dict[str, HeldRegistration] = {}
        self.arrivals = ArrivingCalls(self._registrations)
        self.accounts = RegistrationTable()
        self._listeners: dict[str, CallListener] = {}
        self._leaving: deque[str] = deque()
        self._departure, self._left = trio.Event(), trio.Event()
        self.renewals = RegistrationRenewals(self._locals, self._registrations, self.refresh)
        self._md5_told: set[str] = set()
        self._is_flushing = False
        self._wake = trio.Event()
        self._log = RateLimitedLog(log, clock=trio.current_time)
        follow(settings, self._adopt)

    @property
    def registration_count(self) -> int:
        return len(self._registrations)

    @property
    def call_count(self) -> int:
        return len(self._listeners)

    @property
    def transaction_counts(self) -> tuple[int, int]:
        """Requests of ours, and those that we answer."""
        return self._agent.transaction_counts

    @property
    def traffic(self) -> SipTraffic:
        return self._agent.traffic

    @property
    def overloaded_count(self) -> int:
        """Requests refused since there were too many transactions."""
        return self._agent.refused_count

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.access.run)
            await nursery.start(self.transport.run)
            nursery.start_soon(self._keep_time)
            nursery.start_soon(self._keep_alive)
            nursery.start_soon(self._give_registrations_back)
            nursery.start_soon(self.renewals.run)
            task_status.started()

    async def drain(self) -> None:
        """Wait until the registrations that are given back are, for a few seconds at most."""
        with trio.move_on_after(LEAVE_TIMEOUT):
            while self._leaving or self._agent.unanswered_count:
                self._left = trio.Event()
                await self._left.wait()

    def _adopt(self, settings: Settings) -> None:
        self._agent.accept_transfers(accepted=settings.sip_accept_refer)

    # -- registrations and calls -------------------------------------------------------------------------------------

    def register(self, plan: RegistrationPlan, credentials: SipCredentials | None, holder: RegistrationHolder) -> str:
        """Register; the id for `refresh` and `unregister`."""
        found = self.perform(lambda agent, now: agent.register(plan, credentials, now), is_silent=True)
        token = self._agent.contact_token(found)
        held = HeldRegistration(holder=holder, token=token, user=plan.contact_user, hops=tuple(plan.hops))
        self._registrations[found] = held
        self._flush()
        return found

    def refresh(self, registration: str) -> None:
        """Register once more."""
        self.perform(lambda agent, now: agent.refresh(registration, now))

    def unregister(self, registration: str, *, gives_back: bool = True) -> None:
        """Its holder hears no more; the server is told, unless `gives_back` is false. Many at once are paced."""
        if self._registrations.pop(registration, None) is None:
            return
        self.arrivals.forget(registration)
        self.renewals.forget(registration)
        if gives_back:
            self._leaving.append(registration)
            self._departure.set()
        else:
            self.perform(lambda agent, now: agent.abandon(registration))

    async def reachable_first(self, hops: tuple[Hop, ...]) -> tuple[Hop, ...]:
        """The servers of a call. A connection by TLS is made before it, since the Contact names our end of that."""
        for hop in hops:
            if hop.transport == "tls":
                local = await self.transport.ready(hop)
                if local is None:
                    self.access.ways.note_down(hop)
                    continue
                self._locals.suppose(hop, local)
            return (hop, *self.access.ways.alive_first(each for each in hops if each != hop))
        return hops

    def call(self, invitation: Invitation, credentials: SipCredentials | None, listener: CallListener) -> PhoneLine:
        """Call somebody. The listener hears nothing before this has returned."""
        call = self.perform(lambda agent, now: agent.call(invitation, credentials, now), is_silent=True)
        self._listeners[call] = listener
        self._flush()
        return PhoneLine(self, call)

    def forget_call(self, call: str) -> None:
        """Its owner wants to hear no more of it."""
        self._listeners.pop(call, None)
        self.arrivals.answered(call)

    def perform(self, action: Callable[[UserAgent, float], T], *, is_silent: bool = False) -> T:
        """Carry out commands at the user agent, and what they lead to unless `is_silent`."""
        result = action(self._agent, trio.current_time())
        if not is_silent:
            self._flush()
        return result

    # -- what comes of it --------------------------------------------------------------------------------------------

    def _message_arrived(self, message: SipMessage, source: Hop) -> None:
        if source.transport == "tls" and isinstance(message, ResponseMessage):
            self._locals.learn_from(message, source)
        self.perform(lambda agent, now: agent.receive(message, source, now))

    def _unsent(self, outbound: Outbound) -> None:
        self.perform(lambda agent, now: agent.unsendable(outbound, now))

    def _connection_lost(self, hop: Hop) -> None:
        self.perform(lambda agent, now: agent.connection_lost(hop, now))
        self._locals.forget(hop)
        self.renewals.connection_lost(hop)

    def _flush(self) -> None:
        """Send and tell whatever there is; owners that act meanwhile only add to it."""
        if self._is_flushing:
            return
        self._is_flushing = True
        try:
            while (outbound := self._agent.outbound()) or (events := self._agent.events()):
                for message in outbound:
                    self.transport.send(message)
                if not outbound:
                    for event in events:
                        self._dispatch(event)
        finally:
            self._is_flushing = False
        self._wake.set()

    def _dispatch(self, event: SipEvent) -> None:
        with crash_guard(lambda error: log.error("listener of SIP events crashed", crash=error)):
            if isinstance(event, RegistrationEvent):
                self._tell_holder(event)
            elif isinstance(event, CallArrived):
                self._arrived(event)
            else:
                listener = self._listeners.get(event.call)
                self.arrivals.answered(event.call)
                if isinstance(event, CallEnded):
                    self.forget_call(event.call)
                if listener is not None:
                    listener(event)

    def _arrived(self, event: CallArrived) -> None:
        if event.replaces is not None:
            self._replacement_arrived(event, event.replaces)
            return
        listener = self.arrivals.take(event, PhoneLine(self, event.call))
        if listener is not None:
            self._listeners[event.call] = listener

    def _replacement_arrived(self, event: CallArrived, replaced: str) -> None:
        """The listener of a call hears of what comes in its place."""
        listener = self._listeners.get(replaced)
        if listener is None:
            PhoneLine(self, event.call).hang_up(481)
            return
        self._listeners[event.call] = listener
        listener(event)

    def _tell_holder(self, event: RegistrationEvent) -> None:
        held = self._registrations.get(event.registration)
        if held is None:
            return
        if isinstance(event, RegistrationSucceeded):
            self._look_at(event)
        held.holder.registration_event(event)

    def _look_at(self, event: RegistrationSucceeded) -> None:
        self.renewals.succeeded(event)
        if event.uses_md5 and event.hop.transport != "tls" and event.hop.host not in self._md5_told:
            self._md5_told.add(event.hop.host)
            self._log.warning("SIP server knows no digest but MD5, and no TLS", peer=event.hop.host)

    # -- time --------------------------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        while True:
            with trio.move_on_at(self._agent.deadline):
                await self._wake.wait()
            self._wake = trio.Event()
            if self._agent.deadline <= trio.current_time():
                with crash_guard(lambda error: log.error("SIP timer crashed", crash=error)):
                    self.perform(lambda agent, now: agent.on_time(now))
            self._left.set()

    async def _keep_alive(self) -> None:
        while True:
            await trio.sleep(KEEP_ALIVE)
            self.transport.keep_alive({hop for held in self._registrations.values() for hop in held.hops})

    async def _give_registrations_back(self) -> None:
        many, pause = UNREGISTER_PACE
        while True:
            await self._departure.wait()
            self._departure = trio.Event()
            while self._leaving:
                for _ in range(min(many, len(self._leaving))):
                    self._give_back(self._leaving.popleft())
                await trio.sleep(pause)

    def _give_back(self, registration: str) -> None:
        with crash_guard(lambda error: log.error("SIP registration could not be given back", crash=error)):
            self.perform(lambda agent, now: agent.unregister(registration, now))

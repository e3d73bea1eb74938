"""The SIP endpoint of this server: one user agent for all registrations and calls, with its transport and timers.

Owners act through `perform` and their `PhoneLine`, which never wait, and hear of events by plain calls.
"""

import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol, TypeVar

import trio
from attrs import frozen

from actors.calls.phone_line import CallListener, PhoneLine
from actors.calls.sip_access import SipAccess, uniform
from actors.calls.sip_addresses import SipAddresses
from actors.calls.sip_counts import SipCounts
from actors.runtime.actor import crash_guard
from actors.runtime.logs import RateLimitedLog, get_logger
from config.settings import Settings
from protocol.sip.core import Outbound, Surroundings
from protocol.sip.digest import SipCredentials
from protocol.sip.events import CallArrived, CallEnded, RegistrationEvent, RegistrationSucceeded, SipEvent
from protocol.sip.message import SipMessage
from protocol.sip.outgoing_call import Invitation
from protocol.sip.registration import RegistrationPlan
from protocol.sip.transactions import Hop
from protocol.sip.user_agent import UserAgent

MAX_UNANSWERED: Final = 8
"""Calls that have come for one registration and have not been answered yet."""
KEEP_ALIVE: Final = 25.0
"""Seconds between keep-alives, so that routers in between do not forget us."""
UNREGISTER_PACE: Final = (20, 0.1)
"""So many registrations are given back at a time, and the seconds until the next: 200 per second."""
LEAVE_TIMEOUT: Final = 5.0
MAX_RELEARNED: Final = 3
"""Times that a registration is repeated because its server sees us elsewhere than we thought."""

T = TypeVar("T")
log = get_logger("sip")


class RegistrationHolder(Protocol):
    """Who registers. Neither method may wait."""

    def registration_event(self, event: RegistrationEvent) -> None:
        """What the registrar has said."""

    def call_arrived(self, event: CallArrived, line: PhoneLine) -> CallListener | int:
        """A call for this registration: who hears about it, or the status to refuse it with."""


class MessageTransport(Protocol):
    """What brings messages there and back; see `actors.calls.sip_transport`."""

    counts: SipCounts

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None: ...
    def send(self, outbound: Outbound) -> None: ...
    def keep_alive(self, hops: Iterable[Hop]) -> None: ...


MakeTransport = Callable[
    [Callable[[SipMessage, Hop], None], Callable[[Outbound], None], Callable[[Hop], None]], MessageTransport
]
"""Makes it, out of who takes messages, who takes back those that cannot be sent, and who hears of lost connections."""


@frozen(kw_only=True)
class _Held:
    holder: RegistrationHolder
    token: str
    user: str
    hops: tuple[Hop, ...]


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
            )
        )
        self.transport = make_transport(self._message_arrived, self._unsent, self._connection_lost)
        self._registrations: dict[str, _Held] = {}
        self._listeners: dict[str, CallListener] = {}
        self._unanswered: Counter[str] = Counter()
        self._arrived_for: dict[str, str] = {}
        self._leaving: deque[str] = deque()
        self._departure, self._left = trio.Event(), trio.Event()
        self._relearned: Counter[str] = Counter()
        self._md5_told: set[str] = set()
        self._is_flushing = False
        self._wake = trio.Event()
        self.calls_out = self.calls_in = self.calls_refused = 0
        self._log = RateLimitedLog(log, clock=trio.current_time)

    @property
    def registration_count(self) -> int:
        return len(self._registrations)

    @property
    def call_count(self) -> int:
        return len(self._listeners)

    @property
    def transaction_count(self) -> int:
        return self._agent.transaction_count

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.access.run)
            await nursery.start(self.transport.run)
            nursery.start_soon(self._keep_time)
            nursery.start_soon(self._keep_alive)
            nursery.start_soon(self._give_registrations_back)
            task_status.started()

    async def drain(self) -> None:
        """Wait until the registrations that are given back are, for a few seconds at most."""
        with trio.move_on_after(LEAVE_TIMEOUT):
            while self._leaving or self._agent.unanswered_count:
                self._left = trio.Event()
                await self._left.wait()

    # -- registrations and calls -------------------------------------------------------------------------------------

    def register(self, plan: RegistrationPlan, credentials: SipCredentials | None, holder: RegistrationHolder) -> str:
        """Register; the id for `refresh` and `unregister`."""
        found = self.perform(lambda agent, now: agent.register(plan, credentials, now), is_silent=True)
        token = self._agent.contact_token(found)
        self._registrations[found] = _Held(holder=holder, token=token, user=plan.contact_user, hops=tuple(plan.hops))
        self._flush()
        return found

    def refresh(self, registration: str) -> None:
        """Register once more."""
        self.perform(lambda agent, now: agent.refresh(registration, now))

    def unregister(self, registration: str, *, gives_back: bool = True) -> None:
        """Its holder hears no more; the server is told, unless `gives_back` is false. Many at once are paced."""
        if self._registrations.pop(registration, None) is None:
            return
        self._unanswered.pop(registration, None)
        self._relearned.pop(registration, None)
        if gives_back:
            self._leaving.append(registration)
            self._departure.set()
        else:
            self.perform(lambda agent, now: agent.abandon(registration))

    def call(self, invitation: Invitation, credentials: SipCredentials | None, listener: CallListener) -> PhoneLine:
        """Call somebody. The listener hears nothing before this has returned."""
        call = self.perform(lambda agent, now: agent.call(invitation, credentials, now), is_silent=True)
        self._listeners[call] = listener
        self.calls_out += 1
        self._flush()
        return PhoneLine(self, call)

    def forget_call(self, call: str) -> None:
        """Its owner wants to hear no more of it."""
        self._listeners.pop(call, None)
        self._note_answered(call)

    def perform(self, action: Callable[[UserAgent, float], T], *, is_silent: bool = False) -> T:
        """Carry out commands at the user agent, and what they lead to unless `is_silent`."""
        result = action(self._agent, trio.current_time())
        if not is_silent:
            self._flush()
        return result

    # -- what comes of it --------------------------------------------------------------------------------------------

    def _message_arrived(self, message: SipMessage, source: Hop) -> None:
        self.perform(lambda agent, now: agent.receive(message, source, now))

    def _unsent(self, outbound: Outbound) -> None:
        self.perform(lambda agent, now: agent.unsendable(outbound, now))

    def _connection_lost(self, hop: Hop) -> None:
        self.perform(lambda agent, now: agent.connection_lost(hop, now))

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
                self._note_answered(event.call)
                if isinstance(event, CallEnded):
                    self.forget_call(event.call)
                if listener is not None:
                    listener(event)

    def _tell_holder(self, event: RegistrationEvent) -> None:
        held = self._registrations.get(event.registration)
        if held is None:
            return
        if isinstance(event, RegistrationSucceeded):
            self._look_at(event, held)
        held.holder.registration_event(event)

    def _look_at(self, event: RegistrationSucceeded, held: _Held) -> None:
        seen_as, hop = event.seen_as, held.hops[0]
        if seen_as is not None:
            changes = [self._locals.learn(each, seen_as) for each in held.hops]
            if any(changes) and self._relearned[event.registration] < MAX_RELEARNED:
                self._relearned[event.registration] += 1  # calls would not find us at the Contact that we have given
                self._agent.refresh(event.registration, trio.current_time())
        if event.uses_md5 and hop.transport != "tls" and hop.host not in self._md5_told:
            self._md5_told.add(hop.host)
            self._log.warning("SIP server knows no digest but MD5, and no TLS", peer=hop.host)

    def _arrived(self, event: CallArrived) -> None:
        self.calls_in += 1
        found = self._registration_for(event)
        line = PhoneLine(self, event.call)
        taken: CallListener | int = 404
        if found is not None:
            registration, held = found
            self._unanswered[registration] += 1
            self._arrived_for[event.call] = registration
            is_over = self._unanswered[registration] > MAX_UNANSWERED
            taken = 486 if is_over else held.holder.call_arrived(event, line)
        if isinstance(taken, int):
            self.calls_refused += 1
            self._log.info("call is refused", status=taken, source=event.source.host)
            line.hang_up(taken)
        elif event.call in self._arrived_for:  # not over already
            self._listeners[event.call] = taken

    def _registration_for(self, event: CallArrived) -> tuple[str, _Held] | None:
        """By what our Contact said, else by its user part and the server that the call comes from."""
        for registration, held in self._registrations.items():
            if held.token == event.contact_token:
                return registration, held
        for registration, held in self._registrations.items():
            if held.user == event.callee.user and any(hop.host == event.source.host for hop in held.hops):
                return registration, held
        return None

    def _note_answered(self, call: str) -> None:
        registration = self._arrived_for.pop(call, None)
        if registration is not None and self._unanswered[registration] > 0:
            self._unanswered[registration] -= 1

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

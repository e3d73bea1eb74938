"""Where calls and registrations wait for a client that has asked for it (`keepAlive`), and has lost its connection.

It comes back with the `authToken` of the session that is over, and goes on with what is here. Who does not come back in
`keep_alive.session_timeout` loses it; so does who is put out meanwhile, as a session is.
"""

from typing import Generic, Protocol, TypeVar

import trio
from attrs import define, field, frozen

from actors.calls.sip.registration import Registration
from actors.node.bans import Bans
from actors.node.drain import Drain
from actors.runtime.actor import StopReason, crash_guard
from actors.runtime.logs import RateLimitedLog, get_logger
from config.settings import Settings
from protocol.access.kicks import Subject
from protocol.node.descriptions import ConnectionDescription
from protocol.node.filters import ConnectionFilter

log = get_logger("calls")


class Parkable(Protocol):
    """What waits."""

    def leave(self) -> None:
        """Nobody has come back: all of it ends."""


P = TypeVar("P", bound=Parkable)
P_co = TypeVar("P_co", bound=Parkable, covariant=True)


class Sitting(Protocol[P_co]):
    """Where a session that is there has what would wait."""

    def give_up(self) -> P_co:
        """It is another session's now."""


@frozen(kw_only=True)
class Keeper:
    """Who may come back: the client with this token. `session` is the one that it had."""

    token: str = field(repr=False)
    subject: Subject
    session: ConnectionDescription

    @property
    def address(self) -> str:
        """What it counts for."""
        return self.subject.address or ""


@define(eq=False)
class _Parked(Generic[P]):
    keeper: Keeper
    calls: P
    wait: trio.CancelScope = field(factory=trio.CancelScope)


class CallParking(Generic[P]):
    """See above. What waits counts for its client's address, as sessions do."""

    def __init__(self, settings: Settings, drain: Drain, bans: Bans) -> None:
        self._settings, self._drain, self._bans = settings, drain, bans
        bans.watchers.append(self._end_banned)
        self._places: dict[str, _Parked[P]] = {}
        self._seats: dict[str, tuple[Keeper, Sitting[P]]] = {}
        self._nursery: trio.Nursery | None = None
        self._refusals = RateLimitedLog(log, clock=trio.current_time)

    def __len__(self) -> int:
        return len(self._places)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the registrations of those who may come back, until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    def hold(self, registration: Registration) -> bool:
        """Run a registration that outlasts its session; false: there is nowhere to."""
        if self._nursery is None:
            return False
        self._nursery.start_soon(run_registration, registration)
        return True

    def park(self, keeper: Keeper, calls: P) -> bool:
        """Have this wait; false: it must end now."""
        if self._nursery is None or self._drain.refuses() or not self._settings.keep_alive_session_timeout:
            return False
        most = self._settings.max_sessions_per_address
        if sum(each.keeper.address == keeper.address for each in self._places.values()) >= most:
            self._refusals.warning("calls are not kept", address=keeper.address, limit="max_sessions_per_address")
            return False
        parked = self._places[keeper.token] = _Parked(keeper, calls)
        self._nursery.start_soon(self._expire, parked)
        return True

    def take(self, token: str, *, app_key: str) -> P | None:
        """What waits for the client that shows this token, or what its former session still has."""
        parked = self._places.get(token)
        if parked is None:
            return self._take_seat(token, app_key)
        if parked.keeper.subject.app_key != app_key:
            return None
        self._forget(parked)
        return parked.calls

    def seat(self, keeper: Keeper, seat: Sitting[P]) -> None:
        """A session is there whose client may come back before its loss is noticed."""
        self._seats[keeper.token] = keeper, seat

    def unseat(self, token: str) -> None:
        """The session is over. Idempotent."""
        self._seats.pop(token, None)

    def terminate(self, query: ConnectionFilter, reason: StopReason) -> int:
        """Put those out whose session matches; how many. A ban that `reason` orders is placed on them."""
        found = [parked for parked in self._places.values() if query.matches(parked.keeper.session)]
        for parked in found:
            self._bans.session_stopped(reason, parked.keeper.subject)
            self._end(parked)
        return len(found)

    def close(self) -> None:
        """Nothing waits any more, now or later."""
        self._nursery = None
        for parked in tuple(self._places.values()):
            self._end(parked)

    # -- inside --------------------------------------------------------------------------------------------------

    async def _expire(self, parked: _Parked[P]) -> None:
        with parked.wait:
            await trio.sleep(self._settings.keep_alive_session_timeout)
            self._end(parked)

    def _take_seat(self, token: str, app_key: str) -> P | None:
        keeper, seat = self._seats.get(token, (None, None))
        waits = self._nursery is not None and self._settings.keep_alive_session_timeout
        if keeper is None or seat is None or keeper.subject.app_key != app_key or not waits:
            return None
        self.unseat(token)
        return seat.give_up()

    def _end_banned(self) -> None:
        """Who must not connect cannot come back."""
        for parked in tuple(self._places.values()):
            if self._bans.keeps_out(parked.keeper.subject):
                self._end(parked)

    def _end(self, parked: _Parked[P]) -> None:
        if self._forget(parked):
            parked.calls.leave()

    def _forget(self, parked: _Parked[P]) -> bool:
        parked.wait.cancel()
        return self._places.pop(parked.keeper.token, None) is not None


async def run_registration(registration: Registration) -> None:
    """A registration that crashes is over; its page goes on."""
    with crash_guard(lambda error: log.error("registration crashed", crash=error, actor=repr(registration))):
        await registration.run()

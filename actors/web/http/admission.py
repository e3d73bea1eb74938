"""Which HTTP connections may stay: so many in all, so many of one client, and always room for a request in earnest.

Where a limit is reached, a newcomer takes the place of the connection that has been waiting for its client the longest:
idle between two requests, in the middle of one, or not reading its answer. Only those whose request is being answered
are safe. So nobody keeps others from REST by holding connections open, and a terminate always gets in.

Some places are kept for this machine, where the operator is: strangers neither take them nor push out who has them.
"""

from collections.abc import Callable

from attrs import define, field

from actors.runtime.logs import RateLimitedLog
from config.addresses import client_key, is_on_this_machine

OPERATOR_RESERVE = 10
"""Places that only clients on loopback may take; fewer where all places are fewer than ten times that."""


class ConnectionAdmission:
    """The connections of all HTTP listeners together."""

    def __init__(self, *, limit: int, per_client: int, log: RateLimitedLog) -> None:
        self._limit = limit
        self._limit_for_strangers = limit - min(OPERATOR_RESERVE, limit // 10)
        self._per_client = per_client
        self._log = log
        self._local, self._strangers = _Group(), _Group()
        self._clients: dict[str, _Group] = {}

    def __len__(self) -> int:
        return self._local.count + self._strangers.count

    def admit(self, address: str, evict: Callable[[], None]) -> "Place | None":
        """A place for a new connection from `address`, which waits for its client; None if there is none.

        `evict` is called, once, when the place goes to another: it must end the connection soon, and not raise.
        """
        client = self._clients.get(client_key(address), _Group())
        is_local = is_on_this_machine(address)
        if client.count >= self._per_client:
            has_room = self._make_room("http.max_connections_per_address", address, client)
        elif len(self) >= (self._limit if is_local else self._limit_for_strangers):
            rivals = (self._strangers, self._local) if is_local else (self._strangers,)
            has_room = self._make_room("http.max_connections", address, *rivals)
        else:
            has_room = True
        if not has_room:
            return None
        client = self._clients.setdefault(client_key(address), client)
        place = Place(self, client_key(address), evict, (client, self._local if is_local else self._strangers))
        place.enter()
        return place

    def forget(self, key: str) -> None:
        """A connection of this client has gone: keep no record of one that has no other."""
        if not self._clients[key].count:
            del self._clients[key]

    def _make_room(self, setting: str, address: str, *groups: "_Group") -> bool:
        """Evict who waits the longest in the first of the groups in which somebody does; False if nobody does."""
        oldest = next((place for group in groups for place in group.waiting), None)
        event = "too many connections: new ones are closed" if oldest is None else "too many connections: idle ones go"
        self._log.warning(event, setting=setting, client=address)
        if oldest is not None:
            oldest.leave()
            oldest.evict()
        return oldest is not None


@define(eq=False)
class _Group:
    """Connections that are counted together; those that wait for their client in the order in which they began to."""

    count: int = 0
    waiting: dict["Place", None] = field(factory=dict)


class Place:
    """What one connection has of the limits. It begins as one that waits for its client."""

    def __init__(
        self, admission: ConnectionAdmission, key: str, evict: Callable[[], None], groups: tuple[_Group, ...]
    ) -> None:
        self.evict = evict
        self._admission = admission
        self._key = key
        self._groups = groups
        self._is_held = False

    def enter(self) -> None:
        """Take the place."""
        self._is_held = True
        for group in self._groups:
            group.count += 1
        self.waits()

    def waits(self) -> None:
        """From now on, unless it did before, the connection waits for its client: another may take its place."""
        if self._is_held:
            for group in self._groups:
                group.waiting.setdefault(self)

    def works(self) -> None:
        """The connection has something to do, and is safe."""
        for group in self._groups:
            group.waiting.pop(self, None)

    def leave(self) -> None:
        """Give the place up. Idempotent."""
        if self._is_held:
            self._is_held = False
            self.works()
            for group in self._groups:
                group.count -= 1
            self._admission.forget(self._key)

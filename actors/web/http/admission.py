"""Which HTTP connections are admitted: a limit in total and per client, and always room for a real request.

When a limit is reached, a new connection takes the place of the one that has waited longest for its client: idle
between two requests, in the middle of one, or not reading its response. Only connections whose request is being served
are safe. So nobody can block REST by holding connections open, and a terminate always gets in.

Some places are reserved for this machine, where the operator is: others can neither take them nor evict their holders.
"""

from collections.abc import Callable

from attrs import define, field

from actors.runtime.logs import RateLimitedLog
from config.addresses import client_key, is_on_this_machine

OPERATOR_RESERVE = 10
"""Places reserved for clients on loopback; at most a tenth of all places."""


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
        """A place for a new connection from `address`, initially waiting for its client; None if there is none.

        `evict` is called once, when the place goes to another connection: it must end this one soon, and not raise.
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
        """A connection of this client is gone: forget a client that has no other."""
        if not self._clients[key].count:
            del self._clients[key]

    def _make_room(self, setting: str, address: str, *groups: "_Group") -> bool:
        """Evict the longest waiting connection of the first group that has a waiting one; False if none has."""
        oldest = next((place for group in groups for place in group.waiting), None)
        event = "too many connections: new ones are closed" if oldest is None else "too many connections: idle ones go"
        self._log.warning(event, setting=setting, client=address)
        if oldest is not None:
            oldest.leave()
            oldest.evict()
        return oldest is not None


@define(eq=False)
class _Group:
    """Connections that are counted together; those that wait for their client in the order in which they started to."""

    count: int = 0
    waiting: dict["Place", None] = field(factory=dict)


class Place:
    """One connection's share of the limits. Initially it waits for its client."""

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
        """From now on (if not already) the connection waits for its client: another may take its place."""
        if self._is_held:
            for group in self._groups:
                group.waiting.setdefault(self)

    def works(self) -> None:
        """The connection is being served, and is safe."""
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

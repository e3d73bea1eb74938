"""Which HTTP connections are admitted: a limit in total and per client, and always room for a real request.

When a limit is reached, a new connection takes the place of the one that has waited longest for its client: idle
between two requests, in the middle of one, or not reading its response. Only connections whose request is being served
are safe. So nobody can block REST by holding connections open, and a terminate always gets in.

Some places are reserved for this machine, where the operator is: others can neither take them nor evict their holders.

A connection of a trusted proxy carries requests of many clients, one after the other. While it serves one, it counts as
a connection of that client.
"""

from collections.abc import Callable

from attrs import define, field

from actors.runtime.logs import RateLimitedLog
from config.media_addresses import client_key
from protocol.access.client_address import ClientAddress, TrustedProxies
from protocol.metrics.signalling_counts import RefusalCounts

OPERATOR_RESERVE = 10
"""Places reserved for clients on loopback; at most a tenth of all places."""
NO_PROXIES = TrustedProxies()


class ConnectionAdmission:
    """The connections of some HTTP listeners together. `setting` has their `limit`."""

    def __init__(
        self,
        *,
        limit: int,
        per_client: int,
        log: RateLimitedLog,
        proxies: TrustedProxies = NO_PROXIES,
        setting: str = "http.max_connections",
    ) -> None:
        self.limit = limit
        self.per_client = per_client
        self._log = log
        self.refused = RefusalCounts()
        self._proxies = proxies
        self._setting = setting
        self._local, self._strangers = _Group(), _Group()
        self._clients: dict[str, _Group] = {}

    def __len__(self) -> int:
        return self._local.count + self._strangers.count

    @property
    def _limit_for_strangers(self) -> int:
        return self.limit - min(OPERATOR_RESERVE, self.limit // 10)

    def admit(self, peer: ClientAddress, evict: Callable[[], None]) -> "Place | None":
        """A place for a new connection from `peer`, initially waiting for its client; None if there is none.

        `evict` is called once, when the place goes to another connection: it must end this one soon, and not raise.
        A trusted proxy has no limit for itself: each client that it forwards for has.
        """
        is_local = self._proxies.is_on_this_machine(peer)
        is_proxy = self._proxies.trusts(peer.address)
        if not is_proxy and not self.has_room_for(peer.address):
            return None
        if len(self) >= (self.limit if is_local else self._limit_for_strangers):
            rivals = (self._strangers, self._local) if is_local else (self._strangers,)
            if not self._make_room(self._setting, peer.address, *rivals):
                return None
        place = Place(self, evict, self._local if is_local else self._strangers)
        place.enter(None if is_proxy else peer.address)
        return place

    def has_room_for(self, address: str) -> bool:
        """Whether the client at `address` may have one more connection; its longest waiting one may go for that."""
        client = self._clients.get(client_key(address))
        if client is None or client.count < self.per_client:
            return True
        return self._make_room("http.max_connections_per_address", address, client)

    def group_of(self, address: str) -> "_Group":
        """The connections of the client at `address`."""
        return self._clients.setdefault(client_key(address), _Group())

    def forget(self, address: str) -> None:
        """A connection of this client is gone: forget a client that has no other."""
        if not self._clients[client_key(address)].count:
            del self._clients[client_key(address)]

    def _make_room(self, setting: str, address: str, *groups: "_Group") -> bool:
        """Evict the longest waiting connection of the first group that has a waiting one; False if none has."""
        oldest = next((place for group in groups for place in group.waiting), None)
        event = "too many connections: new ones are closed" if oldest is None else "too many connections: idle ones go"
        self._log.warning(event, setting=setting, client=address)
        if oldest is None:
            self.refused.note(setting)
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

    def __init__(self, admission: ConnectionAdmission, evict: Callable[[], None], group: _Group) -> None:
        self.evict = evict
        self._admission = admission
        self._groups: tuple[_Group, ...] = (group,)
        self._address: str | None = None
        self._is_held = False

    def enter(self, address: str | None) -> None:
        """Take the place, for the client at `address` (None: for a proxy, and nobody yet)."""
        self._is_held = True
        self._groups[0].count += 1
        self._count_for(address)
        self.waits()

    def serve(self, address: str | None) -> bool:
        """From now on the connection counts as one of the client at `address` (None: of the proxy, and nobody).

        False if that client must not have one more; then it counts as nobody's.
        """
        if address == self._address or not self._is_held:
            return True
        self._count_for(None)
        if address is not None and not self._admission.has_room_for(address):
            return False
        self._count_for(address)
        return True

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
            self._groups[0].count -= 1
            self._count_for(None)

    def _count_for(self, address: str | None) -> None:
        of_all, *of_client = self._groups
        for group in of_client:
            group.count -= 1
            group.waiting.pop(self, None)
        if self._address is not None:
            self._admission.forget(self._address)
        self._groups, self._address = (of_all,), address
        if address is not None:
            group = self._admission.group_of(address)
            group.count += 1
            if self in of_all.waiting:
                group.waiting[self] = None
            self._groups = (of_all, group)

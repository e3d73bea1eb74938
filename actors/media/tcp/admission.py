"""How many TCP connections for media there may be: in all, from one address, and of those that belong to no peer."""

from collections import Counter

from actors.media.tcp.connection import TcpConnection
from actors.runtime.logs import RateLimitedLog
from config.live import follow
from config.media_addresses import client_key
from config.settings import Settings


class TcpAdmission:
    """When all places are taken, the connection that has waited longest for its first check makes room."""

    def __init__(self, settings: Settings, log: RateLimitedLog) -> None:
        self.refused = 0
        self._log = log
        self._all: dict[TcpConnection, None] = {}  # oldest first
        self._by_client: Counter[str] = Counter()
        follow(settings, self._adopt)

    def _adopt(self, settings: Settings) -> None:
        self._limit = settings.media_tcp_max_connections
        self._per_client = settings.media_tcp_max_connections_per_address

    def __len__(self) -> int:
        return len(self._all)

    def enter(self, connection: TcpConnection) -> bool:
        """Take a place; False if there is none."""
        client = client_key(connection.path.remote[0])
        if self._by_client[client] >= self._per_client:
            return self._refuse("media_tcp_max_connections_per_address", client)
        if len(self._all) >= self._limit and not self._make_room():
            return self._refuse("media_tcp_max_connections", client)
        self._all[connection] = None
        self._by_client[client] += 1
        return True

    def leave(self, connection: TcpConnection) -> None:
        """It is over. Idempotent."""
        if connection not in self._all:
            return
        del self._all[connection]
        client = client_key(connection.path.remote[0])
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]

    def _make_room(self) -> bool:
        for connection in self._all:
            if not connection.was_claimed:
                self.leave(connection)
                connection.close()
                return True
        return False

    def _refuse(self, setting: str, client: str) -> bool:
        self.refused += 1
        if not self._by_client[client]:
            del self._by_client[client]
        self._log.warning("too many media connections: new ones are closed", setting=setting, client=client)
        return False

"""The TCP ports on which all nodes of this machine listen: the parent takes them, and keeps them over restarts."""

import socket

from actors.net.server_listeners import shown_address
from actors.net.tcp_listeners import ListenerError, open_listener
from config.listeners import listeners_of
from config.settings import Settings


class HeldPorts:
    """All of them, taken by the constructor, or none: ListenerError. Nobody can connect to what is only held."""

    def __init__(self, settings: Settings) -> None:
        self._held: dict[str, socket.socket] = {}
        self._chosen: list[str] = []
        try:
            for wanted in listeners_of(settings):
                # Without SO_REUSEPORT at first: another program that listens there is to be noticed.
                held = open_listener(wanted.address, wanted.port, keys=wanted.keys, user_timeout=0, listens=False)
                self._held[wanted.name] = held
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                if not wanted.port:
                    self._chosen.append(f"{wanted.keys.port}={held.getsockname()[1]}")
        except ListenerError:
            self.close()
            raise

    @property
    def overrides(self) -> tuple[str, ...]:
        """The ports that the system chose, as settings of the nodes."""
        return tuple(self._chosen)

    def shown(self, name: str) -> str:
        """The address of one, as bound."""
        address = self._held[name].getsockname()
        return shown_address((address[0], address[1]))

    def has(self, name: str) -> bool:
        """Whether there is such a listener."""
        return name in self._held

    def close(self) -> None:
        for held in self._held.values():
            held.close()

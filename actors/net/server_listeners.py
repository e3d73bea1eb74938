"""The four listening TCP sockets of a server: ws, wss, http and https."""

import socket
from ipaddress import ip_address

from actors.net.tcp_listeners import ListenerError, open_listener
from config.settings import Settings

HTTP_USER_TIMEOUT = 30.0
"""Seconds after which the system drops a REST client that does not read its response."""


class ServerListeners:
    """All of them, opened by the constructor; none stays open if one cannot be: ListenerError."""

    def __init__(self, settings: Settings) -> None:
        self._opened: dict[str, socket.socket] = {}
        silence = settings.keep_alive_server_interval * settings.keep_alive_probes
        try:
            self._open("ws", settings.ws_address, settings.ws_port, silence)
            self._open("wss", settings.wss_address, settings.wss_port, silence)
            self._open("http", settings.http_address, settings.http_port, HTTP_USER_TIMEOUT)
            self._open("https", settings.https_address, settings.https_port, HTTP_USER_TIMEOUT)
        except ListenerError:
            for listener in self._opened.values():
                listener.close()
            raise

    def _open(self, name: str, address: str | None, port: int, user_timeout: float) -> None:
        self._opened[name] = open_listener(address, port, name=name, user_timeout=user_timeout)

    def __getitem__(self, name: str) -> socket.socket:
        return self._opened[name]

    def bound(self, name: str) -> tuple[str, int]:
        """The address of one, as actually bound."""
        address = self._opened[name].getsockname()
        return address[0], address[1]

    @property
    def ready_words(self) -> str:
        """All addresses: `ws=... wss=... http=... https=...`."""
        return " ".join(f"{name}={shown_address(self.bound(name))}" for name in self._opened)

    @property
    def start_page(self) -> str:
        """The address of the start page, for people: https where http is open to the network."""
        address, _ = self.bound("http")
        scheme = "http" if ip_address(address).is_loopback else "https"
        address, port = self.bound(scheme)
        return f"{scheme}://{shown_address((_host(address), port))}/"


def shown_address(address: tuple[str, int]) -> str:
    """`HOST:PORT`, IPv6 in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _host(address: str) -> str:
    """A name or address by which people reach a listener at `address`."""
    return socket.gethostname() if ip_address(address).is_unspecified else address

"""The listening TCP sockets of a server: ws, wss, http, https, and the public ones and ssh if they are wanted."""

import socket
from collections.abc import Collection
from ipaddress import ip_address

from actors.net.tcp_listeners import ListenerError, open_listener
from config.listeners import listeners_of
from config.settings import Settings

HTTP_USER_TIMEOUT = 30.0
"""Seconds after which the system drops an HTTP client that does not read its response."""
PUBLIC = ("public", "public_https")

USER_TIMEOUTS = {**dict.fromkeys(("http", "https", *PUBLIC), HTTP_USER_TIMEOUT), "ssh": 120.0}


class ServerListeners:
    """All of them, opened by the constructor; none stays open if one cannot be: ListenerError.

    `shared`: the other nodes of this machine listen on the same ports.
    """

    def __init__(self, settings: Settings, *, shared: bool = False) -> None:
        self._opened: dict[str, socket.socket] = {}
        silence = settings.keep_alive_server_interval * settings.keep_alive_probes
        try:
            for wanted in listeners_of(settings):
                self._opened[wanted.name] = open_listener(
                    wanted.address,
                    wanted.port,
                    keys=wanted.keys,
                    user_timeout=USER_TIMEOUTS.get(wanted.name, silence),
                    listens=wanted.name != "ssh",  # that waits for a user who could log in
                    shared=shared,
                )
        except ListenerError:
            for listener in self._opened.values():
                listener.close()
            raise
        self._bound = {name: _address(listener) for name, listener in self._opened.items()}

    @property
    def ssh(self) -> socket.socket | None:
        """That of SSH, if it is on; its port is taken, and nobody listens yet."""
        return self._opened.get("ssh")

    def __getitem__(self, name: str) -> socket.socket:
        return self._opened[name]

    def among(self, names: Collection[str]) -> dict[str, socket.socket]:
        """Those of these names that are open."""
        return {name: listener for name, listener in self._opened.items() if name in names}

    def bound(self, name: str) -> tuple[str, int]:
        """The address of one, as actually bound; it is remembered when the socket is closed."""
        return self._bound[name]

    @property
    def ready_words(self) -> str:
        """The addresses that every server has: `ws=... wss=... http=... https=...`."""
        return " ".join(f"{name}={shown_address(self.bound(name))}" for name in self._opened if name not in PUBLIC)

    @property
    def public_words(self) -> str:
        """The addresses of the public ones, ` public=...`, with a blank in front; empty if there are none."""
        shown = ",".join(shown_address(self.bound(name)) for name in PUBLIC if name in self._opened)
        return f" public={shown}" if shown else ""

    @property
    def start_page(self) -> str:
        """The address of the start page, for people: https where http is open to the network."""
        address, _ = self.bound("http")
        scheme = "http" if ip_address(address).is_loopback else "https"
        address, port = self.bound(scheme)
        return f"{scheme}://{shown_address((_host(address), port))}/"


def _address(listener: socket.socket) -> tuple[str, int]:
    host, port = listener.getsockname()[:2]
    return host, port


def shown_address(address: tuple[str, int]) -> str:
    """`HOST:PORT`, IPv6 in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _host(address: str) -> str:
    """A name or address by which people reach a listener at `address`."""
    return socket.gethostname() if ip_address(address).is_unspecified else address

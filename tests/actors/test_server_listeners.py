"""The listening sockets of a server."""

from actors.net.server_listeners import ServerListeners
from config.settings import Settings


def test_where_they_were_bound_is_known_after_they_are_closed() -> None:
    listeners = ServerListeners(Settings(ws_port=0, wss_port=0, http_port=0, https_port=0))
    bound = listeners.bound("ws")
    for listener in listeners.among(["ws", "wss", "http", "https"]).values():
        listener.close()
    assert listeners.bound("ws") == bound

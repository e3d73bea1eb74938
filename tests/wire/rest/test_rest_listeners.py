"""Listening sockets of the daemon."""

import socket

import pytest

from actors.net.tcp_listeners import ListenerError, open_listener
from config.listeners import ListenerKeys


def test_a_free_port_is_chosen_and_accepted_connections_inherit_the_timeout() -> None:
    with open_listener("127.0.0.1", 0, keys=ListenerKeys.prefixed("http"), user_timeout=12.5) as listener:
        port = listener.getsockname()[1]
        assert port > 0
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 12_500


def test_no_address_means_every_address_of_both_families() -> None:
    with open_listener(None, 0, keys=ListenerKeys.prefixed("ws"), user_timeout=30) as listener:
        port = listener.getsockname()[1]
        families = ["127.0.0.1"] if listener.family == socket.AF_INET else ["127.0.0.1", "::1"]
        for address in families:
            with socket.create_connection((address, port)):
                listener.accept()[0].close()


def test_one_ipv6_address_is_not_open_to_ipv4() -> None:
    with open_listener("::1", 0, keys=ListenerKeys.prefixed("ws"), user_timeout=30) as listener:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", listener.getsockname()[1]))


def test_a_port_that_is_taken_is_named_with_its_setting() -> None:
    with open_listener("127.0.0.1", 0, keys=ListenerKeys.prefixed("http"), user_timeout=30) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenerError, match=rf"^http\.port={port}: .* listens on 127\.0\.0\.1:{port}$"):
            open_listener("127.0.0.1", port, keys=ListenerKeys.prefixed("http"), user_timeout=30)


def test_an_address_of_another_machine_is_named_with_its_setting() -> None:
    with pytest.raises(ListenerError, match=r"^https\.address=203\.0\.113\.9: this machine does not have"):
        open_listener("203.0.113.9", 0, keys=ListenerKeys.prefixed("https"), user_timeout=30)

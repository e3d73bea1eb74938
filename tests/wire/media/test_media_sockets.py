"""Opening the media sockets on real addresses."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from actors.media.io import sockets
from actors.media.io.sockets import MediaSocket, open_media_sockets
from config.values.addresses import AddressPair
from tests.support.media.media_rig import media_settings

BOTH = (AddressPair("127.0.0.1"), AddressPair("::1"))
OWN = (AddressPair("127.0.0.77"), AddressPair("127.0.0.78"))
"""Addresses at which nobody else has a port, so that each is free."""


@contextlib.contextmanager
def closing(opened: list[MediaSocket]) -> Iterator[list[MediaSocket]]:
    try:
        yield opened
    finally:
        for entry in opened:
            entry.close()


def test_all_addresses_share_the_port_that_the_first_one_chose() -> None:
    with closing(open_media_sockets(media_settings(ip=BOTH))) as opened:
        (_, port), (_, other) = (entry.local for entry in opened)
        assert port == other != 0
        assert [entry.socket.getsockname()[:2] for entry in opened] == [("127.0.0.1", port), ("::1", port)]
        assert [entry.advertised for entry in opened] == [(("127.0.0.1", port),), (("::1", port),)]


def test_behind_nat_the_public_address_is_told_and_the_local_one_bound() -> None:
    pairs = (AddressPair("203.0.113.7", "127.0.0.1"), AddressPair("203.0.113.8", "127.0.0.1"))
    with closing(open_media_sockets(media_settings(ip=pairs))) as opened:
        (entry,) = opened
        port = entry.local[1]
        assert entry.local[0] == "127.0.0.1"
        assert entry.advertised == (("203.0.113.7", port), ("203.0.113.8", port))


def test_the_log_tells_what_browsers_are_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    pairs = (AddressPair("203.0.113.7", "127.0.0.1"), AddressPair("2001:db8::7", "::1"))
    with closing(open_media_sockets(media_settings(ip=pairs))) as opened:
        port = opened[0].local[1]
    (record,) = [record for record in caplog.records if record.getMessage() == "media addresses"]
    assert record.__dict__["wcsd_fields"] == {
        "told": f"203.0.113.7:{port},[2001:db8::7]:{port}",
        "bound": f"127.0.0.1:{port},[::1]:{port}",
    }


def test_small_buffers_are_told_in_one_line(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "_SO_SNDBUFFORCE", socket.SO_SNDBUF)  # as without the right to force it
    monkeypatch.setattr(sockets, "_SO_RCVBUFFORCE", socket.SO_RCVBUF)
    with closing(open_media_sockets(media_settings(ip=BOTH, media_socket_buffer=1_000_000_000))):
        pass
    (record,) = [record for record in caplog.records if record.getMessage() == "media socket buffer is small"]
    facts = record.__dict__["wcsd_fields"]
    assert facts["bytes"] < facts["wanted"] == 1_000_000_000
    assert facts["remedy"] == "sysctl -w net.core.wmem_max=1000000000 net.core.rmem_max=1000000000"


def test_unset_means_every_address_of_the_machine_and_never_the_wildcard() -> None:
    with closing(open_media_sockets(media_settings(ip=()))) as opened:
        bound = {entry.local[0] for entry in opened}
        assert "127.0.0.1" in bound
        assert bound.isdisjoint({"0.0.0.0", "::"})


def test_a_port_in_use_is_refused_and_nothing_stays_open() -> None:
    with closing(open_media_sockets(media_settings(ip=OWN[1:]))) as taken:
        port = taken[0].local[1]
        with pytest.raises(OSError, match=f"cannot bind UDP {OWN[1].public} port {port}"):
            open_media_sockets(media_settings(ip=OWN, media_port_from=port))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind((OWN[0].public, port))


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ValueError, match="not an address of this machine"):
        open_media_sockets(media_settings(ip=(AddressPair("203.0.113.7"),)))


def test_a_free_port_is_looked_for_again_when_the_choice_is_taken_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    bind = sockets._bind

    def sometimes(address: str, port: int) -> socket.socket:
        tried.append((address, port))
        if address == OWN[1].public and len(tried) < 4:
            raise OSError(98, "Address already in use")
        return bind(address, port)

    monkeypatch.setattr(sockets, "_bind", sometimes)
    with closing(open_media_sockets(media_settings(ip=OWN))) as opened:
        assert [address for address, _ in tried] == [pair.public for pair in OWN] * 2
        assert {entry.local[1] for entry in opened} == {tried[-1][1]}

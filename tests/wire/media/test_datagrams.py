"""Datagrams in permanent memory, by one call of the kernel or by many."""

import socket
import time

import pytest
import trio

from actors.media.io import datagrams as module
from actors.media.io.datagrams import SLOTS, STRIDE, Datagrams
from actors.media.io.receiver import Receiver
from actors.media.io.rest_timer import RestTimer
from tests.support.media.fan_out_filling import FAMILIES
from tests.support.media.fan_out_rig import open_socket

BOTH_WAYS = pytest.mark.parametrize("at_once", [True, False])


def make(monkeypatch: pytest.MonkeyPatch, *, at_once: bool) -> Datagrams:
    if not at_once:  # as where there is no recvmmsg
        monkeypatch.setattr(module, "_receive_many", None)
    return Datagrams()


@FAMILIES
@BOTH_WAYS
def test_they_are_what_was_sent(monkeypatch: pytest.MonkeyPatch, family: int, at_once: bool) -> None:
    datagrams = make(monkeypatch, at_once=at_once)
    with open_socket(family) as receiving, open_socket(family) as one, open_socket(family) as other:
        sent = [(udp, bytes([number]) * number) for number in range(5) for udp in (one, other)]
        for udp, data in sent:
            udp.sendto(data, receiving.getsockname())
        assert datagrams.receive(receiving, family) == len(sent)
        assert [datagrams.data(index) for index in range(len(sent))] == [data for _, data in sent]
        assert [datagrams.source(index) for index in range(len(sent))] == [udp.getsockname() for udp, _ in sent]
        assert len(set(datagrams.names)) == 2
        assert datagrams.receive(receiving, family) == 0


@BOTH_WAYS
def test_no_more_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch, at_once: bool) -> None:
    datagrams = make(monkeypatch, at_once=at_once)
    with open_socket() as receiving, open_socket() as sending:
        for number in range(SLOTS + 3):
            sending.sendto(bytes([number]), receiving.getsockname())
        sending.sendto(bytes(STRIDE + 100), receiving.getsockname())
        assert [datagrams.receive(receiving, socket.AF_INET) for _ in range(3)] == [SLOTS, 4, 0]
        sending.sendto(bytes(STRIDE + 100), receiving.getsockname())
        datagrams.receive(receiving, socket.AF_INET)
        assert list(datagrams.sizes) == [STRIDE], "the rest of it is lost"


@BOTH_WAYS
def test_a_closed_socket_is_an_error(monkeypatch: pytest.MonkeyPatch, at_once: bool) -> None:
    datagrams = make(monkeypatch, at_once=at_once)
    udp = open_socket()
    udp.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        datagrams.receive(udp, socket.AF_INET)
    assert datagrams.count == 0


def test_what_came_too_long_ago_is_before_the_first_one() -> None:
    taken: list[bytes] = []

    def take(datagrams: Datagrams) -> None:
        taken.extend(datagrams.data(index) for index in range(datagrams.first, datagrams.count))

    with open_socket() as receiving, open_socket() as sending:
        receiver = Receiver(receiving, time.monotonic, take)
        sending.sendto(b"old", receiving.getsockname())
        receiver.drain(time.monotonic())
        receiver.queue.drop_before = time.monotonic() + 60
        sending.sendto(b"too old", receiving.getsockname())
        receiver.drain(time.monotonic())
        sending.sendto(b"new", receiving.getsockname())
        receiver.drain(time.monotonic())
        receiver.close()
    assert taken == [b"old", b"new"]
    assert receiver.queue.drops == 1


@BOTH_WAYS
async def test_a_rest_is_as_long_as_it_should_be(monkeypatch: pytest.MonkeyPatch, at_once: bool) -> None:
    timer = RestTimer()
    if not at_once:  # as where there are no such timers
        timer.close()
    began = trio.current_time()
    for _ in range(3):
        await timer.sleep(0.01)
    assert trio.current_time() - began >= 0.03
    with trio.move_on_after(0.001):
        await timer.sleep(60)
    await timer.sleep(0.01)  # the one before does not count
    with trio.fail_after(20):
        await timer.sleep(1e-12)
        await timer.sleep(1.0)
    timer.close()
    timer.close()

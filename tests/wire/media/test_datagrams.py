"""Datagrams in permanent memory, by one call of the kernel or by many."""

import socket
import sys
import time
from collections.abc import Sequence
from itertools import repeat

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.media.io import datagrams as module
from actors.media.io.datagrams import SLOTS, STRIDE, Datagrams
from actors.media.io.joined_datagrams import MESSAGES, JoinedDatagrams, join
from actors.media.io.receiver import MAX_DRAIN, Receiver
from actors.media.io.rest_timer import RestTimer
from protocol.webrtc.stun import Address
from tests.support.media.fan_out_filling import FAMILIES
from tests.support.media.fan_out_rig import open_socket

UDP_SEGMENT = 103
OVERHEAD = 2048
"""Of what the kernel grants for a socket, beside its bytes, at most for each message."""
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


# -- joined by the kernel --------------------------------------------------------------------------------------------


def send_joined(udp: socket.socket, there: Address, packets: Sequence[bytes]) -> None:
    """As one message, which the kernel is to cut into packets of the first one's size."""
    size = [(socket.IPPROTO_UDP, UDP_SEGMENT, len(packets[0]).to_bytes(2, sys.byteorder))] if len(packets) > 1 else []
    udp.sendmsg(packets, size, 0, there)


@FAMILIES
@given(
    st.lists(
        st.tuples(
            st.integers(1, 40), st.sampled_from([1, 12, 700, 1028, STRIDE]), st.integers(1, STRIDE), st.booleans()
        ),
        max_size=MESSAGES + 3,
    ),
    st.lists(st.integers(1, SLOTS), max_size=20),
)
@settings(max_examples=60, deadline=None)
def test_what_was_joined_comes_apart(family: int, messages: list[tuple[int, int, int, bool]], rooms: list[int]) -> None:
    """Whatever is sent together, and however few are asked for at a time."""
    datagrams = JoinedDatagrams()
    with open_socket(family, buffer=1 << 23) as receiving, open_socket(family) as one, open_socket(family) as other:
        assert join(receiving)
        Receiver(receiving, time.monotonic, lambda _: None).close()  # asks for the kernel's times
        sent, left = [], receiving.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        for number, (count, size, last, by_other) in enumerate(messages):
            udp, most = other if by_other else one, min(count, 65_000 // size)
            packets = [bytes([number, place]).ljust(size, b"x")[:size] for place in range(most - 1)]
            packets.append(bytes([number]) * min(last, size))
            left -= 2 * sum(map(len, packets)) + OVERHEAD
            if left < 0:
                break
            send_joined(udp, receiving.getsockname(), packets)
            sent += [(packet, udp.getsockname()) for packet in packets]
        came = []
        for room in (*rooms, *repeat(SLOTS, len(sent))):
            count = datagrams.receive(receiving, family, room)
            came += [(datagrams.data(index), datagrams.source(index)) for index in range(count)]
            assert list(datagrams.lengths[:count]) == list(datagrams.sizes)
            assert len(datagrams.names) == len(list(datagrams.stamps())) == count <= room
            assert all(abs(seconds - time.time()) < 60 for seconds, _ in datagrams.stamps())
        assert came == sent
        assert not datagrams.has_more


def test_what_is_not_joined_is_cut_off_as_elsewhere() -> None:
    datagrams = JoinedDatagrams()
    with open_socket() as receiving, open_socket() as sending:
        assert join(receiving)
        for size in (0, STRIDE + 100, 3):
            sending.sendto(bytes(size), receiving.getsockname())
        assert datagrams.receive(receiving, socket.AF_INET) == 3
        assert list(datagrams.sizes) == [0, STRIDE, 3]
        assert datagrams.receive(receiving, socket.AF_INET) == 0


def test_where_the_kernel_joins_nothing_that_is_said() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        assert not join(other)
    udp = open_socket()
    udp.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        JoinedDatagrams().receive(udp, socket.AF_INET)


async def test_more_than_one_turn_of_joined_datagrams_needs_no_new_ones() -> None:
    taken = 0

    def take(datagrams: Datagrams) -> None:
        nonlocal taken
        taken += datagrams.count

    with open_socket(buffer=1 << 23) as receiving, open_socket() as sending:
        assert join(receiving)
        receiver = Receiver(receiving, trio.current_time, take, JoinedDatagrams())
        for _ in range(MESSAGES):
            send_joined(sending, receiving.getsockname(), [bytes(100)] * 50)
        while taken < 50 * MESSAGES:
            with trio.fail_after(20):
                await receiver.wait()
            assert receiver.drain(trio.current_time()) <= MAX_DRAIN
        receiver.close()


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

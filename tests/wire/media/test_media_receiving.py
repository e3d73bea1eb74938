"""When datagrams are read, and what time they are said to have come."""

import socket
import time
from collections.abc import Callable, Iterator

import pytest
import trio

from actors.media.io.datagrams import Datagrams
from actors.media.io.receiver import Receiver
from actors.media.io.wakeup_coalescing import START
from protocol.webrtc.stun import Address
from tests.support.media.fan_out_rig import open_socket
from tests.support.media.kernel_stamps import await_stamps
from tests.support.media.media_rig import media_rig, until

Taken = list[tuple[bytes, Address, float]]


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """One to receive by, one to send by."""
    with open_socket() as receiving, open_socket() as sending:
        sending.connect(receiving.getsockname())
        yield receiving, sending


def listen(udp: socket.socket, clock: Callable[[], float] = time.monotonic) -> tuple[Receiver, Taken]:
    taken: Taken = []

    def take(datagrams: Datagrams) -> None:
        for index in range(datagrams.first, datagrams.count):
            taken.append((datagrams.data(index), datagrams.source(index), datagrams.arrivals[index]))

    receiver = Receiver(udp, clock, take)
    receiver.drain(clock())  # it compares its clock with the kernel's
    return receiver, taken


def test_a_datagram_comes_with_the_time_of_its_arrival(sockets: tuple[socket.socket, socket.socket]) -> None:
    receiving, sending = sockets
    receiver, taken = listen(receiving)
    await_stamps()
    sent_at = time.monotonic()
    sending.send(b"early")
    time.sleep(0.2)  # the plane has other work
    sending.send(b"late")
    assert receiver.drain(time.monotonic(), 9) == 2
    (early, source, early_at), (late, _, late_at) = taken
    assert (early, late, source) == (b"early", b"late", sending.getsockname())
    assert late_at - early_at >= 0.2
    assert sent_at - 0.1 < early_at < late_at <= time.monotonic()


def test_a_wall_clock_that_was_set_does_not_move_arrivals(
    sockets: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    receiving, sending = sockets
    receiver, taken = listen(receiving)
    sending.send(b"x")
    wall_clock = time.time
    monkeypatch.setattr(time, "time", lambda: wall_clock() + 3600)
    before = time.monotonic()
    receiver.drain(time.monotonic(), 9)
    assert before <= taken[0][2] <= time.monotonic()


def test_only_so_many_are_taken_at_once(sockets: tuple[socket.socket, socket.socket]) -> None:
    receiving, sending = sockets
    receiver, taken = listen(receiving)
    for number in range(5):
        sending.send(bytes([number]))
    assert [receiver.drain(time.monotonic(), 2) for _ in range(4)] == [2, 2, 1, 0]
    assert b"".join(data for data, _, _ in taken) == bytes(range(5))


async def test_a_busy_plane_rests_and_loses_nothing_and_a_quiet_one_does_not() -> None:
    async with media_rig() as rig:
        published = await rig.publish(video=None, check_interval=0.05)
        viewer = await rig.play(published.publication, video=None)
        assert rig.plane.statistics().rests == 0
        sent, began, intervals = 0, trio.current_time(), set[int]()
        with trio.fail_after(60):
            while rig.plane.statistics().rests < 20:
                due = int(2 * START * (trio.current_time() - began))  # busy, and no more than a slow machine can do
                for _ in range(min(due - sent, 100)):
                    sent += 1
                    published.peer.send(published.peer.rtp(sent, b"opus", kind="audio"))
                await trio.sleep(0.005)
                intervals.add(rig.plane.statistics().wake_up_interval_us)
        assert intervals > {0}, "none at first"
        assert all(2000 <= interval <= 5000 for interval in intervals - {0})
        await viewer.peer.until_received(sent)
        await until(lambda: rig.plane.statistics().wake_up_interval_us == 0)
        rests = rig.plane.statistics().rests
        published.peer.send(published.peer.rtp(sent + 1, b"opus", kind="audio"))
        await viewer.peer.until_received(sent + 1)
        assert rig.plane.statistics().rests == rests


@pytest.mark.parametrize("step", [-3600, -0.6, -0.2, 0.2, 0.6, 3600])
def test_whatever_the_wall_clock_does_arrivals_go_forward_and_never_ahead(
    sockets: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    receiving, sending = sockets
    receiver, taken = listen(receiving)
    wall_clock = time.time
    began = time.monotonic()
    for number in range(6):
        sending.send(bytes([number]))
        if number == 3:  # stamped by the old time, read by the new one
            monkeypatch.setattr(time, "time", lambda: wall_clock() + step)
        receiver.drain(time.monotonic(), 9)
    arrivals = [began, *(arrival for _, _, arrival in taken), time.monotonic()]
    assert len(taken) == 6
    assert arrivals == sorted(arrivals)


def test_what_waited_for_long_says_so(
    sockets: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    receiving, sending = sockets
    held_up = 0.0  # seconds in which the plane did nothing, as all clocks see it
    receiver, taken = listen(receiving, lambda: time.monotonic() + held_up)
    await_stamps()
    sending.send(b"stale")
    sent_at, wall_clock = time.monotonic(), time.time
    held_up = 20.0
    monkeypatch.setattr(time, "time", lambda: wall_clock() + held_up)
    receiver.drain(time.monotonic() + held_up, 9)
    assert taken[0][2] < sent_at + 1

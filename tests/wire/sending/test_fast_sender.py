"""The fast packet sender against the portable one, over real sockets, and where things go wrong."""

import gc
import random
import socket
import subprocess
import sys
import weakref

import psutil
import pytest

from actors.media.sending.fast_sender import FastSender
from actors.media.sending.sender import PacketSender, PortableSender, Recipient
from protocol.webrtc.srtp import MAX_PACKET, SrtpProfile
from tests.support.media.fan_out_filling import COUNTS, FAMILIES, SENDERS, fill, losses
from tests.support.media.fan_out_rig import Viewers, open_socket, rtp_packet
from tests.support.root import needs_root


@FAMILIES
@pytest.mark.parametrize("count", COUNTS)
def test_random_packets_come_as_the_portable_sender_sends_them(family: int, count: int) -> None:
    chance = random.Random(count)
    profiles = [chance.choice(list(SrtpProfile)) for _ in range(count)]
    packets = [
        rtp_packet(sequence, chance.choice([12, 13, chance.randrange(12, MAX_PACKET), MAX_PACKET]), filler=b"\xa5")
        for sequence in range(65_530, 65_542)
    ]
    came = []
    for make in (PortableSender, FastSender):
        with Viewers(family) as viewers:
            fan_out = make().open()
            fill(fan_out, [viewers.recipient(number, profile=profile) for number, profile in enumerate(profiles)])
            per_packet = []
            for sequence, packet in enumerate(packets, 65_530):
                fan_out.send(packet, sequence)
                per_packet.append(sorted(viewers.arrived(count)))
            came.append((per_packet, fan_out.packets, fan_out.octets, len(fan_out)))
    assert [len(packets) for packets in came[0][0]] == [count] * len(packets)
    assert came[0] == came[1]


@SENDERS
@pytest.mark.parametrize("bad", [{0}, {1}, {63}, {64}, {0, 1, 2, 40, 63}, set(range(70))])
def test_a_viewer_whose_encryption_fails_is_skipped(make: type[PacketSender], bad: set[int]) -> None:
    with Viewers() as viewers:
        sender = make()
        fan_out = sender.open()
        recipients = [viewers.recipient(number, sound=number not in bad) for number in range(70)]
        fill(fan_out, recipients)
        fan_out.send(rtp_packet(1, 300), 1)
        assert viewers.owners(viewers.arrived(70 - len(bad)), 70) == sorted(set(range(70)) - bad)
        assert losses(recipients) == [(0, number in bad) for number in range(70)]
        assert (sender.losses.dropped, sender.losses.failed) == (0, len(bad))


@SENDERS
@FAMILIES
@pytest.mark.parametrize("bad", [{0}, {1}, {63}, {64}, {0, 1, 2, 40, 63}, set(range(70))])
def test_a_viewer_that_the_kernel_cannot_send_to_is_skipped(
    make: type[PacketSender], family: int, bad: set[int]
) -> None:
    with Viewers(family) as viewers:
        fan_out = make().open()
        recipients = [viewers.recipient(number) for number in range(70)]
        fill(fan_out, [viewers.refuse(each) if number in bad else each for number, each in enumerate(recipients)])
        fan_out.send(rtp_packet(1, 300), 1)
        assert viewers.owners(viewers.arrived(70 - len(bad)), 70) == sorted(set(range(70)) - bad)
        assert losses(recipients) == [(0, number in bad) for number in range(70)]


@SENDERS
def test_failures_of_both_kinds_in_one_group(make: type[PacketSender]) -> None:
    with Viewers() as viewers:
        fan_out = make().open()
        recipients = [viewers.recipient(number, sound=number % 3 != 0) for number in range(30)]
        fill(fan_out, [viewers.refuse(each) if number % 3 == 1 else each for number, each in enumerate(recipients)])
        fan_out.send(rtp_packet(1, 300), 1)
        assert viewers.owners(viewers.arrived(10), 30) == list(range(2, 30, 3))
        assert losses(recipients) == [(0, number % 3 != 2) for number in range(30)]


@SENDERS
def test_a_packet_that_is_too_large_or_none_at_all_goes_to_nobody(make: type[PacketSender]) -> None:
    with Viewers() as viewers:
        sender = make()
        fan_out = sender.open()
        recipients = [viewers.recipient(number) for number in range(3)]
        fill(fan_out, recipients)
        for packet in (rtp_packet(1, MAX_PACKET + 1), rtp_packet(2, 60_000), b"\x80\x60\x00", b""):
            fan_out.send(packet, 1)
        assert viewers.arrived(0) == []
        assert losses(recipients) == [(0, 4)] * 3
        fan_out.send(rtp_packet(3, MAX_PACKET), 3)
        assert len(viewers.arrived(3)) == 3


@SENDERS
@pytest.mark.parametrize("count", [1, 2, 70])
def test_a_closed_socket_is_a_failure_and_nothing_worse(make: type[PacketSender], count: int) -> None:
    with Viewers() as viewers:
        fan_out = make().open()
        recipients = [viewers.recipient(number) for number in range(count)]
        fill(fan_out, recipients)
        viewers.server.close()
        with open_socket():  # takes the number of the descriptor
            fan_out.send(rtp_packet(1, 300), 1)
        assert viewers.arrived(0) == []
        assert losses(recipients) == [(0, 1)] * count


FULL_SOCKET = """
ip link add one type veth peer name peer
ip addr add 10.9.0.1/24 dev one
ip link set peer up && ip link set one up
exec "$0" -m tests.support.media.full_socket
"""


@needs_root
def test_what_a_full_socket_buffer_has_no_room_for_is_dropped() -> None:
    # On loopback a packet leaves its sender's buffer at once; here it waits for neighbours that do not exist.
    ended = subprocess.run(
        ["unshare", "--net", "sh", "-euc", FULL_SOCKET, sys.executable], capture_output=True, text=True
    )
    assert ended.stderr == ""
    reports = dict(line.split(" ", 1) for line in ended.stdout.splitlines())
    assert reports["fast"] == reports["portable"]
    sent, dropped, failed = map(int, reports["fast"].split())
    assert sent + dropped == 40
    assert 1 <= sent <= 10
    assert failed == 0


# -- who is in ------------------------------------------------------------------------------------------------------


@SENDERS
@pytest.mark.parametrize("gone", [[0], [69], [63, 64], [64], list(range(69)), list(range(69, 0, -1)), list(range(70))])
def test_who_has_left_gets_nothing_more(make: type[PacketSender], gone: list[int]) -> None:
    with Viewers() as viewers:
        fan_out = make().open()
        recipients = [viewers.recipient(number) for number in range(70)]
        fill(fan_out, recipients)
        fan_out.send(rtp_packet(1, 100), 1)
        assert viewers.owners(viewers.arrived(70), 70) == list(range(70))
        for number in gone:
            fan_out.remove(recipients[number])
            fan_out.remove(recipients[number])  # once more is no harm
        fan_out.send(rtp_packet(2, 100), 2)
        assert viewers.owners(viewers.arrived(70 - len(gone)), 70) == sorted(set(range(70)) - set(gone))
        assert len(fan_out) == 70 - len(gone)


@SENDERS
@FAMILIES
def test_a_viewer_that_moves_is_followed(make: type[PacketSender], family: int) -> None:
    with Viewers(family) as viewers, open_socket(family) as elsewhere, open_socket(family) as other_server:
        fan_out = make().open()
        recipients = [viewers.recipient(number) for number in range(66)]
        fill(fan_out, recipients)
        for number in (1, 65):
            fan_out.readdress(recipients[number], recipients[number].socket, elsewhere.getsockname())
        fan_out.readdress(recipients[2], other_server, recipients[2].address)
        fan_out.send(rtp_packet(1, 100), 1)
        elsewhere.settimeout(60)
        sources = [source for _, source in viewers.arrived_from(64)]
        assert sorted(sources) == sorted([viewers.server.getsockname()] * 63 + [other_server.getsockname()])
        moved = [elsewhere.recv(2048), elsewhere.recv(2048)]
        assert viewers.owners(moved, 66) == [1, 65]
        fan_out.remove(recipients[2])
        assert len(fan_out) == 65


@SENDERS
@pytest.mark.parametrize("waiting", [1, 3])
@pytest.mark.parametrize("count", [1, 3])
def test_what_waited_when_a_viewer_moved_to_the_other_family_goes_to_where_it_was(
    make: type[PacketSender], waiting: int, count: int
) -> None:
    with Viewers() as viewers, open_socket(socket.AF_INET6) as elsewhere, open_socket(socket.AF_INET6) as other_server:
        sender = make()
        fan_out = sender.open()
        recipients = [viewers.recipient(number) for number in range(count)]
        fill(fan_out, recipients)
        for sequence in range(1, 1 + waiting):
            fan_out.queue([rtp_packet(sequence, 600)], sequence)
        fan_out.readdress(recipients[0], other_server, elsewhere.getsockname())
        assert viewers.owners(viewers.arrived(count * waiting), count) == sorted([*range(count)] * waiting)
        fan_out.queue([rtp_packet(9, 600)], 9)
        sender.flush()
        elsewhere.settimeout(60)
        assert viewers.owners([elsewhere.recv(2048)], count) == [0]
        assert viewers.owners(viewers.arrived(count - 1), count) == [*range(1, count)]


@SENDERS
def test_one_that_has_left_does_not_come_back_by_moving(make: type[PacketSender]) -> None:
    with Viewers() as viewers:
        fan_out = make().open()
        recipients = [viewers.recipient(number) for number in range(2)]
        fill(fan_out, recipients)
        fan_out.remove(recipients[0])
        fan_out.readdress(recipients[0], recipients[0].socket, recipients[0].address)
        fan_out.send(rtp_packet(1, 100), 1)
        assert viewers.owners(viewers.arrived(1), 2) == [1]


@SENDERS
def test_a_packet_of_before_a_viewers_first_one_is_not_for_it(make: type[PacketSender]) -> None:
    with Viewers() as viewers:
        fan_out = make().open()
        fill(fan_out, [viewers.recipient(number, start=number) for number in range(70)])
        for sequence in (69, 68, 40, 0):
            fan_out.send(rtp_packet(sequence, 100), sequence)
            assert viewers.owners(viewers.arrived(sequence + 1), 70) == list(range(sequence + 1))


@SENDERS
def test_two_fan_outs_share_a_viewer_and_the_sequence_wraps(make: type[PacketSender]) -> None:
    # Audio and video of a viewer have one SRTP session; its roll-over counter goes on over the wrap.
    with Viewers() as viewers:
        sender = make()
        tracks = [sender.open(), sender.open()]
        for track in tracks:
            fill(track, [viewers.recipient(number) for number in range(65)])
        for sequence in range(65_534, 65_539):
            for track in tracks:
                track.send(rtp_packet(sequence, 100), sequence)
                assert len(viewers.arrived(65)) == 65


# -- nothing is left over -------------------------------------------------------------------------------------------


def test_thousands_that_come_and_go_leave_nothing() -> None:
    process, chance = psutil.Process(), random.Random(1)
    with Viewers() as viewers:
        fan_out = FastSender().open()
        inside: list[Recipient] = []
        ever: list[weakref.ref[object]] = []

        def come_and_go(times: int) -> None:
            for number in range(times):
                inside.append(viewers.recipient(number))
                ever.append(weakref.ref(inside[-1].transmitter.session))
                fan_out.add(inside[-1])
                if len(inside) > 200:
                    fan_out.remove(inside.pop(chance.randrange(len(inside))))
                if number % 50 == 0:
                    fan_out.send(rtp_packet(number // 50, 1200), number // 50)
                    viewers.arrived(len(inside))

        come_and_go(2_000)
        gc.collect()
        before = process.memory_info().rss
        come_and_go(6_000)
        gc.collect()
        assert process.memory_info().rss - before < 4 << 20
        assert sum(session() is not None for session in ever) == len(inside) == len(fan_out) == 200
        while inside:
            fan_out.remove(inside.pop())
        gc.collect()
        assert not any(session() for session in ever)
        fan_out.send(rtp_packet(1, 100), 1)
        assert viewers.arrived(0) == []


def test_sending_allocates_nothing_that_stays() -> None:
    with Viewers() as viewers:
        fan_out = FastSender().open()
        fill(fan_out, [viewers.recipient(number) for number in range(70)])

        def send(first: int) -> None:
            for sequence in range(first, first + 200):
                fan_out.send(rtp_packet(sequence, 12 + sequence % 1200), sequence)
                viewers.arrived(70)

        for start in range(0, 1200, 200):  # every size once: what is kept for a size is kept now
            send(start)
        gc.collect()
        blocks = sys.getallocatedblocks()
        send(1200)
        gc.collect()
        assert sys.getallocatedblocks() - blocks < 50

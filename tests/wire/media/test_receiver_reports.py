"""Receiver reports have a socket of their own, are read when there is time, and wake nobody."""

import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.media.io import report_reader, report_socket, sockets
from actors.media.io.datagrams import Datagrams
from actors.media.io.receiver import MAX_DRAIN, Receiver
from actors.media.io.report_reader import AT_LEAST, AT_MOST, SOON, ReportReader
from actors.media.io.report_socket import open_report_socket
from actors.media.statistics import Counters
from protocol.webrtc.rtcp import (
    ReportBlock,
    SenderReport,
    build_fir,
    build_nack,
    build_pli,
    build_receiver_report,
    build_remb,
    build_sender_report,
)
from tests.support.media.fan_out_rig import HOSTS, open_socket
from tests.support.media.media_rig import Played, Published, Rig, media_rig, until
from tests.support.webrtc.media_peer import vp8_delta, vp8_key_frame

REPORT = build_receiver_report(1, [ReportBlock(ssrc=2, fraction_lost=0, packets_lost=0, highest_sequence=9, jitter=0)])
SENDER_REPORT = build_sender_report(
    SenderReport(ssrc=1, ntp_timestamp=1, rtp_timestamp=1, packet_count=1, octet_count=1)
)


def read(udp: socket.socket) -> list[bytes]:
    found = []
    with contextlib.suppress(BlockingIOError):
        while True:
            found.append(udp.recv(2048))
    return found


class TestSocket:
    @pytest.fixture(params=HOSTS)
    def media(self, request: pytest.FixtureRequest) -> Iterator[socket.socket]:
        with open_socket(request.param) as opened:
            yield opened

    def test_the_kernel_tells_reports_from_all_else(self, media: socket.socket) -> None:
        others = [
            SENDER_REPORT,
            SENDER_REPORT + REPORT,
            build_nack(1, 2, [3]),
            build_pli(1, 2),
            build_fir(1, 2, 3),
            b"\x80\x60" + bytes(1200),
            b"\x00\xc9" + bytes(18),
            b"\x16\xc9" + bytes(100),
            b"\xc0\xc9",
            b"\x80",
            b"",
        ]
        mine = [REPORT, REPORT + build_remb(1, 1000, [2]), b"\x80\xc9", b"\xbf\xc9"]
        reports = open_report_socket(media)
        assert reports is not None
        with reports, open_socket(media.family) as sending:
            for datagram in (*others, *mine):
                sending.sendto(datagram, media.getsockname())
            assert (read(media), read(reports)) == (others, mine)

    def test_where_the_kernel_cannot_all_come_to_the_media_socket(
        self, media: socket.socket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(report_socket, "_SO_ATTACH_REUSEPORT_CBPF", 9999)
        assert open_report_socket(media) is None
        for _ in range(20):  # had a second socket stayed, some of these senders' reports would go to it
            with open_socket(media.family) as sending:
                sending.sendto(REPORT, media.getsockname())
        assert read(media) == [REPORT] * 20

    def test_a_port_that_somebody_has_is_still_refused(self, media: socket.socket) -> None:
        reports = open_report_socket(media)
        assert reports is not None
        with reports, socket.socket(media.family, socket.SOCK_DGRAM) as other:
            with pytest.raises(OSError, match=f"Errno {errno.EADDRINUSE}"):
                other.bind(media.getsockname())


class Reading:
    """A reader of reports that come from `sending`, and how many of them it has taken."""

    def __init__(self, receiving: socket.socket, sending: socket.socket) -> None:
        self.taken = 0
        self.receiving = receiving
        self.sending = sending
        self.counters = Counters()
        self.is_urgent = False
        receiver = Receiver(receiving, trio.current_time, self._take)
        self.reader = ReportReader(receiver, trio.current_time, self.counters, is_urgent=lambda: self.is_urgent)

    def _take(self, datagrams: Datagrams) -> None:
        self.taken += datagrams.count

    def send(self) -> None:
        self.sending.send(REPORT)


class TestReader:
    @pytest.fixture
    async def reading(self) -> AsyncIterator[Reading]:  # within trio's run, for its clock
        with open_socket() as receiving, open_socket() as sending:
            sending.connect(receiving.getsockname())
            yield Reading(receiving, sending)

    async def test_only_the_first_of_many_wakes_it(
        self, reading: Reading, nursery: trio.Nursery, autojump_clock: MockClock
    ) -> None:
        nursery.start_soon(reading.reader.run)
        reading.send()
        await wait_all_tasks_blocked()
        assert (reading.taken, reading.counters.wake_ups) == (1, 1)
        for round_ in range(1, 5):
            for _ in range(20):
                reading.send()
            await trio.sleep(AT_MOST)
            await wait_all_tasks_blocked()
            assert (reading.taken, reading.counters.wake_ups) == (1 + 20 * round_, 1 + round_)
        await trio.sleep(10 * AT_MOST)
        wake_ups = reading.counters.wake_ups
        await trio.sleep(10 * AT_MOST)
        assert reading.counters.wake_ups == wake_ups, "nothing comes, and nobody looks"
        reading.send()
        await wait_all_tasks_blocked()
        assert reading.taken == 82

    async def test_reports_that_are_read_after_media_cause_no_wake_up(
        self, reading: Reading, nursery: trio.Nursery, autojump_clock: MockClock
    ) -> None:
        nursery.start_soon(reading.reader.run)
        reading.send()
        await wait_all_tasks_blocked()
        for _ in range(20):
            await trio.sleep(AT_LEAST)
            reading.send()
            reading.reader.look(trio.current_time())
        assert (reading.taken, reading.counters.wake_ups) == (21, 1)
        reading.send()
        await trio.sleep(AT_MOST)
        await wait_all_tasks_blocked()
        assert (reading.taken, reading.counters.wake_ups) == (22, 2), "media has stopped"

    async def test_a_look_reads_what_has_come_now_and_then(self, reading: Reading, autojump_clock: MockClock) -> None:
        for came, pause in ((1, 0.0), (1, AT_LEAST / 2), (3, AT_LEAST / 2)):
            await trio.sleep(pause)
            reading.send()
            reading.reader.look(trio.current_time())
            assert reading.taken == came
        assert reading.counters.wake_ups == 0

    async def test_what_is_left_by_a_look_is_read_by_the_next(
        self, reading: Reading, autojump_clock: MockClock
    ) -> None:
        for _ in range(MAX_DRAIN + 1):
            reading.send()
        reading.reader.look(trio.current_time())
        assert reading.taken == MAX_DRAIN
        reading.reader.look(trio.current_time())
        assert reading.taken == MAX_DRAIN + 1

    async def test_all_are_read_soon_while_something_urgent_may_be_among_them(
        self, reading: Reading, nursery: trio.Nursery, autojump_clock: MockClock
    ) -> None:
        reading.is_urgent = True
        nursery.start_soon(reading.reader.run)
        for round_ in range(1, 5):
            reading.send()
            await trio.sleep(SOON)
            await wait_all_tasks_blocked()
            assert reading.taken == round_
        wake_ups = reading.counters.wake_ups
        await trio.sleep(10 * AT_MOST)
        await wait_all_tasks_blocked()
        assert reading.counters.wake_ups <= wake_ups + 1, "nothing comes, and nobody looks"

    async def test_looks_are_frequent_while_something_urgent_may_be_among_them(
        self, reading: Reading, autojump_clock: MockClock
    ) -> None:
        reading.reader.look(trio.current_time())
        for is_urgent, taken in ((False, 0), (True, 1), (False, 1)):
            reading.is_urgent = is_urgent
            await trio.sleep(SOON)
            reading.send()
            reading.reader.look(trio.current_time())
            assert reading.taken == taken
            read(reading.receiving)

    async def test_a_socket_that_cannot_be_read_is_counted(self, reading: Reading, autojump_clock: MockClock) -> None:
        reading.receiving.close()
        reading.reader.look(trio.current_time())
        assert reading.counters.receive_errors == 1


class TestPlane:
    async def test_a_report_is_heard_without_media(self) -> None:
        async with media_rig() as rig:
            _, viewer = await self._streaming(rig)
            self._report(viewer, 1000)
            await self._heard(viewer, 1000)
            self._report(viewer, 2000)
            await self._heard(viewer, 2000)

    async def test_media_that_comes_has_reports_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(report_reader, "AT_LEAST", 0.0)
        monkeypatch.setattr(report_reader, "AT_MOST", 3600.0)  # longer than the test may take
        async with media_rig() as rig:
            published, viewer = await self._streaming(rig)
            self._report(viewer, 1000)
            await self._heard(viewer, 1000)
            self._report(viewer, 2000)
            published.peer.send(published.peer.rtp(2, vp8_delta()))
            await self._heard(viewer, 2000)

    async def test_a_lost_packet_is_sent_again_soon_to_a_viewer_without_reduced_size(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(report_reader, "AT_MOST", 3600.0)  # longer than the test may take
        async with media_rig() as rig:
            published = await rig.publish(audio=False)
            viewer = await rig.play(published.publication, audio=False, reduced_size=False)
            published.peer.send(published.peer.rtp(1, vp8_key_frame()))
            await viewer.peer.until_received(1)
            self._report(viewer, 1000)
            await self._heard(viewer, 1000)
            ssrc = viewer.peer.answer.ssrcs[0]
            viewer.peer.send_rtcp(REPORT + build_nack(1, ssrc, [viewer.peer.received[0].sequence]))
            await until(lambda: viewer.playback.statistics().resent == 1)

    async def test_it_is_heard_where_it_has_no_socket_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sockets, "open_report_socket", lambda _: None)
        async with media_rig() as rig:
            _, viewer = await self._streaming(rig)
            self._report(viewer, 1000)
            await self._heard(viewer, 1000)

    async def _streaming(self, rig: Rig) -> tuple[Published, Played]:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        published.peer.send(published.peer.rtp(1, vp8_key_frame()))
        await viewer.peer.until_received(1)
        return published, viewer

    def _report(self, viewer: Played, kbps: int) -> None:
        viewer.peer.send_rtcp(REPORT + build_remb(1, 1000 * kbps, [viewer.peer.answer.ssrcs[0]]))

    async def _heard(self, viewer: Played, kbps: int) -> None:
        await until(lambda: viewer.playback.statistics().available_kbps == kbps)

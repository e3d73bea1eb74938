"""Pushes by the real process to an RTMP server that others wrote: what comes is what the server has."""

import io
import itertools
import os
import signal
import socket
import ssl
import wave
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import av
import av.error
import pytest
import trio
import trustme
from attrs import evolve
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.context import CodecContext

from actors.media.context import MediaContext
from actors.media.events import discard
from actors.media.tap import Tap
from actors.node.push_port import AlreadyPushed, NoSuchSound, PushRefused, PushSound, UnusableTarget
from actors.runtime.overload import Overload
from actors.workers.push import Push, PushStatus
from actors.workers.pushes import PushedStream, Pushes, PushTo
from config.settings import Settings
from protocol.capture.rules import read_rules
from protocol.webrtc.rtcp import SenderReport
from protocol.webrtc.sdp import Codec, MediaKind
from tests.support.flv_reader import Heard, read_media
from tests.support.media_rig import media_rig
from tests.support.media_tapes import STARTED, arrivals, opus_arrivals
from tests.support.plain_media import PlainSource
from tests.support.rtmp_server import RtmpServer, rtmp_server
from tests.support.rtp_packets import build_header

TIME = 30.0


class Studio:
    """Publications that are pushed."""

    def __init__(self, pushes: Pushes, context: MediaContext) -> None:
        self.pushes = pushes
        self.context = context
        self.failures = 0

    def source(self, video: str = "H264") -> PlainSource:
        codec = Codec(payload_type=0, name=video, clock_rate=90_000)
        return PlainSource(self.context, post=discard, video=codec)

    def push(self, source: PlainSource, url: str, **to: Any) -> Push:
        def open_tap(channel: socket.socket, on_end: Callable[[], None]) -> Tap:
            return Tap(source.publication, self.context, channel, on_end)

        stream = PushedStream(
            media_session_id="m1",
            name="news",
            app_key="app",
            video_codec=source.publication.video_codec,
            has_audio=True,
            size=lambda: (160, 96),
            open_tap=open_tap,
        )
        return self.pushes.start(stream, PushTo(url=url, on_failure=self._count, **to))

    def play(
        self, source: PlainSource, begin: float = 0.0, end: float = 2.0, sound: Sequence[bytes] | None = None
    ) -> None:
        """A part of a tape comes, all at once, and before it what aligns the tracks. `sound`: None for silence."""
        for track in source.publication.tracks.values():
            report = SenderReport(ssrc=1, ntp_timestamp=1 << 40, rtp_timestamp=0, packet_count=0, octet_count=0)
            track.take_report(report, self.context.clock())
        video = arrivals(source.publication.video_codec or "")
        for kind, packets in ((MediaKind.VIDEO, video), (MediaKind.AUDIO, opus_arrivals(2))):
            wanted = [each.packet for each in packets if begin <= each.time - STARTED < end]
            source.feed(kind, wanted if sound is None or kind is MediaKind.VIDEO else sound)

    def _count(self) -> None:
        self.failures += 1


@asynccontextmanager
async def studio(folder: Path, **settings: Any) -> AsyncIterator[Studio]:
    changed = evolve(Settings(), **settings)
    async with media_rig() as rig:
        pushes = Pushes(changed, folder, Overload(float("inf")), changed.push_allow.allows)
        await rig.nursery.start(pushes.run)
        yield Studio(pushes, rig.plane.context)
        await pushes.drain()


async def taken(push: Push) -> None:
    """Wait until the target takes the stream."""
    with trio.fail_after(TIME):
        await push.begun.wait()
    assert push.status is PushStatus.PUSHING, push.cause


async def over(push: Push) -> str:
    """Wait for its end; why."""
    with trio.fail_after(TIME):
        await push.over.wait()
    return push.cause


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that tells no one of its change."""
    with trio.fail_after(TIME):
        while True:
            if condition():
                return
            await trio.sleep(0.01)


async def recorded(server: RtmpServer, name: str, frames: int) -> Heard:
    """What the server has got, when it has so many pictures of it."""
    with trio.fail_after(TIME):
        while True:
            heard = await trio.to_thread.run_sync(_read, server.recorded(name))
            if heard is not None and heard.frames["video"] >= frames:
                return heard
            await trio.sleep(0.02)


def _read(file: Path) -> Heard | None:
    try:
        return read_media(str(file), frames=10_000)
    except (OSError, av.error.FFmpegError):
        return None


async def test_h264_is_copied_and_opus_becomes_aac(tmp_path: Path) -> None:
    with rtmp_server(tmp_path) as server:
        async with studio(tmp_path) as made:
            source = made.source()
            push = made.push(source, server.url)
            await taken(push)
            made.play(source)
            source.publication.end()
            assert await over(push) == "ended"
            heard = await recorded(server, "rtmp_news", 30)
            assert made.failures == 0
    assert heard.codecs == {"video": "h264", "audio": "aac"}
    assert heard.frames["video"] == 30
    assert heard.sizes == [(160, 96)]
    assert heard.frames["audio"] >= 90, "two seconds in frames of 1024 samples, but for the last"
    assert made.pushes.counts.failed == 0


async def test_another_codec_is_refused_or_transcoded(tmp_path: Path) -> None:
    with rtmp_server(tmp_path) as server:
        async with studio(tmp_path) as made:
            with pytest.raises(PushRefused) as refused:
                made.push(made.source("VP8"), server.url)
            assert refused.value.setting == "push.transcode"
        async with studio(tmp_path, push_transcode=True) as made:
            source = made.source("VP8")
            push = made.push(source, server.url)
            await taken(push)
            made.play(source)
            source.publication.end()
            assert await over(push) == "ended"
            heard = await recorded(server, "rtmp_news", 30)
    assert heard.codecs["video"] == "h264"
    assert heard.sizes == [(160, 96)]


async def test_what_pages_may_not_name_is_refused(tmp_path: Path) -> None:
    with rtmp_server(tmp_path) as server:
        async with studio(tmp_path) as made:
            with pytest.raises(PushRefused) as refused:
                made.push(made.source(), server.url, by_page=True)
            assert refused.value.setting == "push.allow"
        async with studio(tmp_path, push_allow=read_rules(["*"])) as made:
            push = made.push(made.source(), server.url.replace("127.0.0.1", "localhost"), by_page=True)
            assert await over(push) == "forbidden", "localhost may be named, its address may not be reached"
            assert made.failures == 1


@pytest.mark.parametrize(
    ("settings", "setting"),
    [({"push_max_running": 0}, "push.max_running"), ({"overload": True}, "overload.max_loop_lag")],
)
async def test_limits_refuse(tmp_path: Path, settings: dict[str, Any], setting: str) -> None:
    is_overloaded = settings.pop("overload", False)
    async with studio(tmp_path, **settings) as made:
        made.pushes._overload.is_on = is_overloaded
        with pytest.raises(PushRefused) as refused:
            made.push(made.source(), "rtmp://127.0.0.1/live")
        assert refused.value.setting == setting
        assert made.pushes.counts.refused == 1


async def test_a_target_gets_a_stream_once(tmp_path: Path) -> None:
    with rtmp_server(tmp_path) as server:
        async with studio(tmp_path) as made:
            source = made.source()
            push = made.push(source, server.url)
            with pytest.raises(AlreadyPushed):
                made.push(source, f"{server.url}/rtmp_news", is_full=True)
            other = made.push(source, f"{server.url}/other", is_full=True)
            made.pushes.stream_ended("m1")
            assert (await over(push), await over(other)) == ("ended", "ended")
            with pytest.raises(UnusableTarget):
                made.push(source, "http://127.0.0.1/live")


async def test_a_target_that_refuses_is_not_pushed_to(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with rtmp_server(tmp_path) as server:
        async with studio(tmp_path) as made:
            push = made.push(made.source(), f"{server.refusing_url}/secret-key", is_full=True)
            assert await over(push) in ("target-refused", "target-failed")
            assert (made.failures, made.pushes.counts.failed) == (1, 1)
    assert "secret-key" not in caplog.text + str([vars(record) for record in caplog.records])
    assert server.refusing_url in str([vars(record) for record in caplog.records])


async def test_a_lost_target_is_tried_again_and_takes_the_stream_again(tmp_path: Path) -> None:
    async with studio(tmp_path, push_reconnect_attempts=1000, push_reconnect_delay=0.1) as made:
        with rtmp_server(tmp_path) as server:
            source = made.source()
            push = made.push(source, server.url)
            await taken(push)
            server.kill()
            await until(lambda: push.status is PushStatus.RETRYING)
        with rtmp_server(tmp_path, port=server.port) as again:
            await until(lambda: push.status is PushStatus.PUSHING)
            made.play(source)
            source.publication.end()
            assert await over(push) == "ended"
            assert (await recorded(again, "rtmp_news", 30)).frames["video"] == 30
        assert push.published == 2
        assert (made.failures, made.pushes.counts.failed) == (0, 0)


async def test_a_push_that_waits_ends_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"rtmp://127.0.0.1:{gone.getsockname()[1]}/live"
    async with studio(tmp_path, push_reconnect_attempts=1000, push_reconnect_delay=30.0) as made:
        push = made.push(made.source(), url)
        await until(lambda: push.status is PushStatus.RETRYING)
        made.pushes.stream_ended("m1")
        assert await over(push) == "ended"


async def test_a_target_that_hangs_is_given_up(tmp_path: Path) -> None:
    settings = {"push_timeout": 0.5, "push_reconnect_attempts": 1000, "push_reconnect_delay": 0.1}
    with rtmp_server(tmp_path) as server:
        async with studio(tmp_path, **settings) as made:
            source = made.source()
            server.pause()
            push = made.push(source, server.url)
            await until(lambda: push.lost_by == "target-hangs")
            server.go_on()
            await until(lambda: push.status is PushStatus.PUSHING)
            push.lost_by = ""
            server.pause()
            made.play(source)
            for number in itertools.count(1000):
                if push.lost_by:
                    break
                header = build_header(payload_type=0, marker=True, sequence=number, timestamp=number * 3000, ssrc=1)
                source.feed(MediaKind.VIDEO, [header + b"\x65" + b"x" * 1100])
                await trio.sleep(0.001)
            assert push.lost_by == "target-hangs"
            server.go_on()


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_process_that_dies_or_hangs_ends_its_push_only(tmp_path: Path, signal_number: int) -> None:
    with rtmp_server(tmp_path) as server:
        async with studio(tmp_path) as made:
            source = made.source()
            push, other = (made.push(source, f"{server.url}/{name}", is_full=True) for name in ("one", "other"))
            for each in (push, other):
                await taken(each)
            assert push.pid is not None
            worker = push._worker
            assert worker is not None
            os.kill(push.pid, signal_number)
            if signal_number == signal.SIGSTOP:
                worker._silence.deadline = trio.current_time()  # as if the time had passed
            assert await over(push) == "worker-died"
            made.play(source)
            source.publication.end()
            assert await over(other) == "ended"
            assert (await recorded(server, "other", 30)).frames["video"] == 30
            assert made.failures == 1


def loudness(file: Path) -> float:
    """The largest sample of the sound."""
    with av.open(io.BytesIO(file.read_bytes()), "r") as opened:
        planes = [bytes(plane) for frame in opened.decode(audio=0) for plane in frame.planes]
    return max((abs(value) for plane in planes for value in memoryview(plane).cast("f")), default=0.0)


def make_sound(file: Path) -> None:
    """A second of a rectangular wave."""
    samples = b"".join((value * 8000).to_bytes(2, "little", signed=True) * 50 for value in (1, -1)) * 480
    with wave.open(str(file), "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(48_000)
        written.writeframes(samples)


async def test_a_file_is_heard_in_the_place_of_the_sound(tmp_path: Path) -> None:
    make_sound(tmp_path / "jingle.wav")
    (tmp_path / "link.wav").symlink_to(tmp_path / "jingle.wav")
    with rtmp_server(tmp_path) as server:
        async with studio(tmp_path) as made:
            source = made.source()
            push = made.push(source, server.url)
            await taken(push)
            for name in ("none.wav", "../jingle.wav", ".", "link.wav", "", "a\0b"):
                with pytest.raises(NoSuchSound):
                    await made.pushes.play(push, PushSound(file=name))
            made.play(source, 0.0, 0.1)
            await made.pushes.play(push, PushSound(file="jingle.wav", loops=True))
            await until(lambda: push.plays_sound)
            made.play(source)
            source.publication.end()
            assert await over(push) == "ended"
            await recorded(server, "rtmp_news", 30)
    assert loudness(server.recorded("rtmp_news")) > 0.1, "what is published is silence"


def tone(seconds: float) -> list[bytes]:
    """Packets of Opus with a rectangular wave, 20 ms each."""
    encoder = CodecContext.create("libopus", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.format, encoder.layout = 48_000, "s16", "stereo"
    packets: list[bytes] = []
    for number in range(round(seconds * 50)):
        frame = AudioFrame("s16", "stereo", 960)
        frame.sample_rate, frame.pts = 48_000, number * 960
        frame.planes[0].update(
            b"".join((value * 8000).to_bytes(2, "little", signed=True) * 96 for value in (1, -1)) * 10
        )
        packets += map(bytes, encoder.encode(frame))
    return [
        build_header(payload_type=0, marker=False, sequence=number, timestamp=number * 960, ssrc=1) + packet
        for number, packet in enumerate(packets)
    ]


@pytest.mark.parametrize("is_muted", [True, False])
async def test_a_muted_push_sends_silence(tmp_path: Path, is_muted: bool) -> None:
    with rtmp_server(tmp_path) as server:
        async with studio(tmp_path) as made:
            source = made.source()
            push = made.push(source, server.url, is_muted=not is_muted)
            push.mute(is_muted=is_muted)
            await taken(push)
            for each in (not is_muted, is_muted):
                push.mute(is_muted=each)
            await until(lambda: push._worker is not None and push._worker.sends_silence is is_muted)
            made.play(source, sound=tone(2))
            source.publication.end()
            assert await over(push) == "ended"
            heard = await recorded(server, "rtmp_news", 30)
    assert heard.frames["audio"] >= 90
    assert (loudness(server.recorded("rtmp_news")) < 0.01) is is_muted


async def forward(port: int, stream: trio.abc.Stream) -> None:
    """Pass everything on to a port, and back."""
    async with stream, await trio.open_tcp_stream("127.0.0.1", port) as other:
        async with trio.open_nursery() as nursery:
            for source, sink in ((stream, other), (other, stream)):
                nursery.start_soon(_pump, source, sink, nursery.cancel_scope)


async def _pump(source: trio.abc.ReceiveStream, sink: trio.abc.SendStream, scope: trio.CancelScope) -> None:
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        async for data in source:
            await sink.send_all(data)
    scope.cancel()


async def test_rtmps_is_rtmp_within_tls_to_a_target_that_is_trusted(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with rtmp_server(tmp_path) as server:
        async with trio.open_nursery() as nursery:
            serve = partial(trio.serve_ssl_over_tcp, partial(forward, server.port), 0, context, host="127.0.0.1")
            (listener,) = await nursery.start(serve)
            url = f"rtmps://localhost:{listener.transport_listener.socket.getsockname()[1]}/live"
            async with studio(tmp_path, push_ca_file=tmp_path / "ca.pem") as made:
                source = made.source()
                push = made.push(source, url)
                await taken(push)
                made.play(source)
                source.publication.end()
                assert await over(push) == "ended"
                assert (await recorded(server, "rtmp_news", 30)).frames["video"] == 30
            async with studio(tmp_path) as made:
                assert await over(made.push(made.source(), url)) == "target-failed", "the system does not know it"
            nursery.cancel_scope.cancel()

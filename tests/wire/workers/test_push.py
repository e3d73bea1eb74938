"""Pushes by the real process to an RTMP server that others wrote: what comes is what the server has."""

import itertools
import os
import signal
import ssl
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from actors.node.ports.push import AlreadyPushed, PushRefused, UnusableTarget
from actors.workers.pushing.push import PushStatus
from protocol.capture.rules import read_rules
from protocol.webrtc.sdp import MediaKind
from tests.support.media.rtp_packets import build_header
from tests.support.network.ports import unused_port
from tests.support.workers.push_rig import ALL_SOUND, over, recorded, studio, taken, until
from tests.support.workers.rtmp_server import rtmp_server


async def test_h264_is_copied_and_opus_becomes_aac(tmp_path: Path) -> None:
    with rtmp_server(tmp_path) as server:
        async with studio(tmp_path) as made:
            source = made.source()
            push = made.push(source, server.url)
            await taken(push)
            made.play(source)
            source.publication.end()
            assert await over(push) == "ended"
            heard = await recorded(server, "rtmp_news", 30, sound=ALL_SOUND)
            assert made.failures == 0
    assert heard.codecs == {"video": "h264", "audio": "aac"}
    assert heard.frames["video"] == 30
    assert heard.sizes == [(160, 96)]
    assert made.pushes.counts.failed == 0


@pytest.mark.parametrize("codec", ["VP8", "VP9", "AV1"])
async def test_another_codec_is_refused_or_transcoded(tmp_path: Path, codec: str) -> None:
    with rtmp_server(tmp_path) as server:
        async with studio(tmp_path) as made:
            with pytest.raises(PushRefused) as refused:
                made.push(made.source(codec), server.url)
            assert (refused.value.info, refused.value.setting) == (
                "Transcoding required, but disabled",
                "push.transcode",
            )
        async with studio(tmp_path, push_transcode=True) as made:
            source = made.source(codec)
            push = made.push(source, server.url)
            await taken(push)
            made.play(source)
            source.publication.end()
            assert await over(push) == "ended"
            heard = await recorded(server, "rtmp_news", 30)
    assert heard.codecs["video"] == "h264"
    assert heard.sizes == [(160, 96)]


async def test_sound_of_a_codec_that_is_not_pushed_is_refused(tmp_path: Path) -> None:
    async with studio(tmp_path) as made:
        with pytest.raises(PushRefused) as refused:
            made.push(made.source(), "rtmp://127.0.0.1/live", audio="G722")
    assert (refused.value.info, refused.value.setting) == ("Streams with G722 are not pushed", "codecs_exclude_sip")


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


async def test_some_pushes_are_kept_for_operators(tmp_path: Path) -> None:
    async with studio(tmp_path, push_max_running=4, push_allow=read_rules(["127.0.0.1"])) as made:
        source = made.source()
        for number in range(3):
            made.push(source, f"rtmp://127.0.0.1:1/live/{number}", by_page=True, is_full=True)
        with pytest.raises(PushRefused) as refused:
            made.push(source, "rtmp://127.0.0.1:1/live/3", by_page=True, is_full=True)
        assert refused.value.setting == "push.max_running"
        made.push(source, "rtmp://127.0.0.1:1/live/3", is_full=True)


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
    url = f"rtmp://127.0.0.1:{unused_port()}/live"
    async with studio(tmp_path, push_reconnect_attempts=1000, push_reconnect_delay=30.0) as made:
        push = made.push(made.source(), url)
        await until(lambda: push.status is PushStatus.RETRYING)
        made.pushes.stream_ended("m1")
        assert await over(push) == "ended"


def key_picture(number: int) -> bytes:
    """A packet that is one."""
    header = build_header(payload_type=0, marker=True, sequence=number & 0xFFFF, timestamp=number * 3000, ssrc=1)
    return header + b"\x65" + b"x" * 1100


async def test_a_target_that_hangs_is_given_up(tmp_path: Path) -> None:
    settings = {"push_timeout": 1.0, "push_reconnect_attempts": 1000, "push_reconnect_delay": 0.1}
    with rtmp_server(tmp_path) as server:
        async with studio(tmp_path, **settings) as made:
            source = made.source()
            push = made.push(source, server.url)
            await until(lambda: push.status is PushStatus.PUSHING)
            server.pause()
            made.play(source)
            for number in itertools.count(1000, 50):  # it takes nothing more
                if push.lost_by == "target-hangs":
                    break
                source.feed(MediaKind.VIDEO, [key_picture(each) for each in range(number, number + 50)])
                await trio.sleep(0.02)
            push.lost_by = ""
            await until(lambda: push.lost_by == "target-hangs")  # it takes connections, and says nothing
            server.go_on()
            await until(lambda: push.status is PushStatus.PUSHING)


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
                await trio.testing.wait_all_tasks_blocked(0.05)  # what it reported before that is heard
                worker._silence.deadline = trio.current_time()  # as if the time had passed
            assert await over(push) == "worker-died"
            made.play(source)
            source.publication.end()
            assert await over(other) == "ended"
            assert (await recorded(server, "other", 30)).frames["video"] == 30
            assert made.failures == 1


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

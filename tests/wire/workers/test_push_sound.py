"""The sound of pushes: a file in its place, or silence."""

import io
import wave
from pathlib import Path

import av
import av.error
import pytest
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.context import CodecContext

from actors.node.ports.push import NoSuchSound
from protocol.rest.resources.pushes import PushSound
from tests.support.media.rtp_packets import build_header
from tests.support.workers.push_rig import ALL_SOUND, over, recorded, studio, taken, until
from tests.support.workers.rtmp_server import rtmp_server


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
            await recorded(server, "rtmp_news", 30, sound=ALL_SOUND)
    assert (loudness(server.recorded("rtmp_news")) < 0.01) is is_muted

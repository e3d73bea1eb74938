"""What cameras send beside H264 and Opus is passed on as it is; pictures and recordings are made of it."""

import base64
from http import HTTPStatus
from itertools import groupby
from pathlib import Path

import av
import trio

from tests.support.capture.rtsp_source import GOP, SIZE, MediaFile, make_media, rtsp_source
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import PATIENCE, ClientStream, WcsClient, wcs_client
from tests.support.webrtc.h264_peer import h264_peer, pictures
from tests.support.webrtc.media_peer import MediaPeer
from tests.support.workers.colour_frames import BLUE, GREEN, RED, Colour, colours, is_near

PCMU, PCMA = 0, 8
SETTINGS = {"record_rtsp_streams": True, "records_min_free": 0, "snapshot_timeout": PATIENCE}


def packets_of(media: MediaFile, kind: str) -> list[bytes]:
    with av.open(str(media.path)) as opened:
        (stream,) = (each for each in opened.streams if each.type == kind)
        return [bytes(packet) for packet in opened.demux(stream) if packet.size]


def vp8_pictures(player: ClientStream) -> list[bytes]:
    """The pictures that have come, without the descriptor of one byte that each packet has."""
    groups = groupby(pictures(player), lambda packet: packet.timestamp)
    return [b"".join(packet.payload[1:] for packet in group) for _, group in groups]


async def until_sound(player: ClientStream, payload_type: int, media: MediaFile) -> None:
    """Wait for sound that is that of the file, byte by byte."""
    sound = b"".join(packets_of(media, "audio"))
    await player.until_media(lambda packet: packet.payload_type == payload_type and packet.payload in sound)


async def start(server: FullServer, uri: str, name: str) -> None:
    answer = await server.rest.post("/rest-api/rtsp/startup", json={"uri": uri, "toStream": name})
    assert answer.status_code == HTTPStatus.OK, answer.text


async def picture_of(server: FullServer, name: str) -> tuple[int, int, Colour, Colour]:
    answer = await server.rest.post("/rest-api/stream/snapshot", json={"streamName": name}, timeout=PATIENCE)
    assert answer.status_code == HTTPStatus.OK, answer.text
    return colours(base64.b64decode(answer.json()["data"]))


async def until_played(client: WcsClient, one: MediaFile, two: MediaFile) -> None:
    """Wait until sound and, of VP8, a picture have come as they are in the files."""
    player = await client.play("one", peer=MediaPeer(g711=True))
    await until_sound(player, PCMA, one)
    encoded = set(packets_of(one, "video")[::GOP])
    await player.peer.until(lambda: not encoded.isdisjoint(vp8_pictures(player)), within=PATIENCE)
    other = h264_peer()
    other.g711 = True
    await until_sound(await client.play("two", peer=other), PCMU, two)


async def test_vp8_and_g711_are_passed_on_as_they_are_and_shown_and_recorded(tmp_path: Path) -> None:
    one = make_media(tmp_path / "one.avi", video="vp8", audio="pcma", halves=(RED, BLUE), seconds=12)
    two = make_media(tmp_path / "two.mov", audio="pcmu", halves=(GREEN, RED), seconds=12)
    async with full_server(tmp_path, **SETTINGS) as server, wcs_client(server.ws_url()) as client:
        with rtsp_source(one) as first, rtsp_source(two) as second:
            await start(server, first.url, "one")
            await start(server, second.url, "two")
            found = {each["name"]: (each["videoCodec"], each["audioCodec"]) for each in await server.streams()}
            assert found == {"one": ("VP8", "PCMA"), "two": ("H264", "PCMU")}
            statistics = await server.statistics()
            counts = [statistics[f"streams_{kind}_in"] for kind in ("rtsp", "rtmp", "webrtc")]
            assert counts == ["2", "0", "0"]
            await until_played(client, one, two)
            for name, left, right in (("one", RED, BLUE), ("two", GREEN, RED)):
                width, height, *shown = await picture_of(server, name)
                assert (width, height) == SIZE
                assert is_near(shown[0], left), name
                assert is_near(shown[1], right), name
            with trio.fail_after(PATIENCE):
                for recording in list(server.server.parts.recordings):
                    await recording.writing.wait()
    codecs = {tuple(sorted(recorded(file))) for file in (tmp_path / "state" / "records").iterdir()}
    assert codecs == {("pcm_alaw", "vp8"), ("h264", "pcm_mulaw")}


def recorded(file: Path) -> list[str]:
    """The codecs in a file whose first picture can be shown."""
    with av.open(str(file)) as opened:
        codecs = [each.codec_context.name for each in opened.streams.get()]
        assert next(opened.decode(video=0)).width == SIZE[0]
    return codecs

"""Sources that answer as cameras do, announce tracks, and then send nothing, or nothing that can be passed on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from itertools import count
from pathlib import Path
from struct import pack

import pytest
import trio

from protocol.capture.rules import read_rules
from tests.support.servers.full_server import full_server
from tests.support.session.wcs_client import PATIENCE, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\n"
    b"m=audio 0 RTP/AVP 97\r\na=rtpmap:97 opus/48000/2\r\na=control:track\r\n"
)
HEADERS = {
    b"OPTIONS": b"Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n",
    b"DESCRIBE": b"Content-Type: application/sdp\r\n",
    b"SETUP": b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
    b"PLAY": b"Session: 1\r\n",
}
TOO_LARGE = b"\xfc" + bytes(1300)
"""Opus, which cannot be cut, in a packet that no path carries."""
SILENCE = {"capture_connect_timeout": 0.5, "capture_read_timeout": 0.5}
NONSENSE = {"capture_connect_timeout": 5, "capture_read_timeout": 60}


async def answer_requests(payload: bytes, stream: trio.SocketStream) -> None:
    """What a camera answers; after PLAY, it sends the payload again and again, or, if it is empty, nothing."""
    buffer, is_playing = b"", False
    with suppress(trio.BrokenResourceError):
        async with stream:
            while not is_playing and (more := await stream.receive_some(4096)):
                *requests, buffer = (buffer + more).split(b"\r\n\r\n")
                for request in requests:
                    await stream.send_all(answer_to(request))
                    is_playing |= request.startswith(b"PLAY")
            if payload:
                await send_sound(stream, payload)
            while await stream.receive_some(4096):
                pass


def answer_to(request: bytes) -> bytes:
    method = request.split(b" ")[0]
    (number,) = (line for line in request.split(b"\r\n") if line.lower().startswith(b"cseq"))
    body = SDP if method == b"DESCRIBE" else b""
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    return b"RTSP/1.0 200 OK\r\n" + number + b"\r\n" + HEADERS.get(method, b"") + length + body


async def send_sound(stream: trio.SocketStream, payload: bytes) -> None:
    for number in count():
        packet = pack("!BBHII", 0x80, 97, number & 0xFFFF, number * 960, 7) + payload
        await stream.send_all(b"$\0" + pack("!H", len(packet)) + packet)
        await trio.sleep(0.02)  # as often as packets of 20 ms come


@asynccontextmanager
async def announcing(payload: bytes) -> AsyncIterator[str]:
    """The URI of such a source."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, partial(answer_requests, payload), [listener])
        yield f"rtsp://127.0.0.1:{listener.socket.getsockname()[1]}/cam"
        nursery.cancel_scope.cancel()


SOURCES = pytest.mark.parametrize(
    ("payload", "settings", "info", "why"),
    [
        (b"", SILENCE, "Failed to connect to rtsp stream", "silent"),
        (TOO_LARGE, NONSENSE, "Rtsp has wrong format", "wrong-format"),
    ],
    ids=["nothing", "nothing-usable"],
)


@SOURCES
async def test_who_wants_a_source_that_sends_no_media_is_told_so(
    tmp_path: Path, payload: bytes, settings: dict[str, float], info: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    rules = {"capture_allow": read_rules(["127.0.0.1"])}
    async with full_server(tmp_path, **settings, **rules) as server, announcing(payload) as uri:
        with trio.fail_after(PATIENCE):
            answer = await server.rest.post("/rest-api/rtsp/startup", json={"uri": uri}, timeout=PATIENCE)
        assert (answer.status_code, answer.json()["reason"]) == (HTTPStatus.INTERNAL_SERVER_ERROR, f"{info} ({why})")
        assert (await server.rest.get("/rest-api/rtsp/find_all")).status_code == HTTPStatus.NOT_FOUND
        lines = [record.getMessage() for record in caplog.records]
        assert "request not carried out" in lines
        assert "request not understood" not in lines
        async with wcs_client(server.ws_url()) as client:
            client.peers.append(MediaPeer())
            player = await client.request("playStream", uri, client.peers[0].play_offer())
            failed = await client.receive("notifyStreamStatusEvent", mediaSessionId=player, status="FAILED")
            assert failed["info"] == info

"""Pages play what a camera sends, with picture and sound."""

from http import HTTPStatus
from pathlib import Path

from tests.support.browsers.sdk_page import OpenPage
from tests.support.capture.rtsp_source import make_media, rtsp_source
from tests.support.network import plain_http
from tests.support.servers.server_process import ServerProcess


def test_pages_play_a_camera(open_page: OpenPage, server: ServerProcess, tmp_path: Path) -> None:
    """H264 of the High profile is copied, AAC becomes Opus; the second page does not wait for a key frame."""
    media = make_media(tmp_path / "cam.mkv", audio="aac", seconds=60)
    with rtsp_source(media) as camera:
        began = plain_http.post(
            server.http_url("/rest-api/rtsp/startup"), json={"uri": camera.url, "toStream": "lobby"}
        )
        assert began.status_code == HTTPStatus.OK, began.text
        first, second = open_page(), open_page()
        for page, name in ((first, "lobby"), (second, camera.url)):
            page.connect(server.ws_url())
            player = page.play(name)
            player.wait_for("PLAYING")
            player.sees_and_hears()
            player.wait_for_size(320, 180)
        ended = plain_http.post(server.http_url("/rest-api/rtsp/terminate"), json={"uri": camera.url})
        assert ended.status_code == HTTPStatus.OK
        player.wait_for("FAILED", "Stopped by publisher stop")

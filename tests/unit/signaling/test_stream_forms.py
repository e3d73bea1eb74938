"""Streams in the WebSDK's words, and back."""

from typing import Any

import attrs
import pytest

from protocol.node.descriptions import StreamDescription
from protocol.signaling.frames import PlayStream, PublishStream
from protocol.signaling.stream_forms import status_frame, stream_request
from protocol.stream.request import StreamRequest
from protocol.stream.status_notice import StatusNotice

ASKED: dict[str, Any] = {
    "media_session_id": "p1",
    "name": "cam",
    "sdp": "v=0",
    "has_video": False,
    "has_audio": False,
    "record": True,
    "media_provider": "Flash",
    "bitrate": 1,
    "min_bitrate": 2,
    "max_bitrate": 3,
    "width": 4,
    "height": 5,
    "quality": 6,
    "custom": {"room": "red"},
}
STREAM = StreamDescription(
    node_id="node1",
    app_key="defaultApp",
    session_id="s1",
    media_session_id="p1",
    name="cam",
    published=True,
    has_video=True,
    has_audio=True,
    status="PUBLISHING",
    create_date=1,
)


@pytest.mark.parametrize("frame", [PublishStream, PlayStream])
def test_all_that_a_request_holds_comes_from_the_frame(frame: type[PublishStream | PlayStream]) -> None:
    assert stream_request(frame(**ASKED), room="lobby") == StreamRequest(**ASKED, room="lobby")
    defaults = {each.name: each.default for each in attrs.fields(StreamRequest)}
    assert {name for name, value in ASKED.items() if value != defaults[name]} == set(defaults) - {"room"}, (
        "else this shows nothing"
    )


def test_a_status_is_a_frame_without_what_the_backend_hides_and_with_what_it_puts_in() -> None:
    body = {"name": "cam", "published": True, "bitrate": 0}
    notice = StatusNotice(stream=STREAM, audio_muted=True)
    assert notice.as_shown(body, dict(body)) is notice
    plain = status_frame(notice).wire_data()[0]
    assert (plain["name"], plain["audioState"]) == ("cam", {"muted": True})
    assert "videoState" not in plain
    shown = status_frame(notice.as_shown(body, {"published": True, "bitrate": 7})).wire_data()[0]
    assert shown == {**{key: value for key, value in plain.items() if key != "name"}, "bitrate": 7}

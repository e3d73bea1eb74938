"""Streams in the WebSDK's words, and back."""

import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.node.descriptions import StreamDescription
from protocol.signaling.frame_codec import encode
from protocol.signaling.frames import NotifyStreamStatusEvent, PlayStream, PublishStream
from protocol.signaling.stream_forms import changed_status_text, status_text, stream_request
from protocol.stream.info_texts import StreamInfo
from protocol.stream.request import StreamRequest
from protocol.stream.status_notice import StatusNotice
from protocol.stream.statuses import StreamStatus

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
    "rtmp_url": "rtmp://target.example/live",
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
    request = stream_request(frame(**ASKED, transport="TCP"), room="lobby")
    assert request == StreamRequest(**ASKED, room="lobby", over_tcp=True)
    assert not stream_request(frame(**ASKED, transport="UDP")).over_tcp
    defaults = {each.name: each.default for each in attrs.fields(StreamRequest)}
    assert {name for name, value in ASKED.items() if value != defaults[name]} == set(defaults) - {"room", "over_tcp"}, (
        "else this shows nothing"
    )


def status_frame(notice: StatusNotice) -> NotifyStreamStatusEvent:
    """What `status_text` must say, field by field."""
    stream = notice.stream
    return NotifyStreamStatusEvent(
        media_session_id=stream.media_session_id,
        status=StreamStatus(stream.status),
        info=stream.info,
        name=stream.name,
        published=stream.published,
        has_video=stream.has_video,
        has_audio=stream.has_audio,
        record=False,
        media_provider=stream.media_provider,
        bitrate=stream.bitrate,
        width=stream.width,
        height=stream.height,
        quality=stream.quality,
        audio_muted=notice.audio_muted,
        video_muted=notice.video_muted,
        exclude=notice.exclude,
        overwrite=notice.overwrite,
    )


def body_of(notice: StatusNotice) -> dict[str, Any]:
    (body,) = json.loads(status_text(notice))["data"]
    assert isinstance(body, dict)
    return body


@pytest.mark.parametrize(
    "notice",
    [
        StatusNotice(stream=STREAM),
        StatusNotice(stream=STREAM, audio_muted=True, video_muted=False),
        StatusNotice(stream=attrs.evolve(STREAM, status="FAILED", info="gone", width=640, published=False)),
        StatusNotice(stream=STREAM, exclude=frozenset({"name", "mediaSessionId", "audioState"}), audio_muted=True),
        StatusNotice(stream=STREAM, overwrite={"name": None, "status": "STOPPED", "recordName": "x", "info": [1]}),
    ],
)
def test_a_status_as_text_is_the_frame(notice: StatusNotice) -> None:
    assert json.loads(status_text(notice)) == json.loads(encode(status_frame(notice)))


TEXTS = st.text(st.characters()) | st.sampled_from(("", '"', "\\", "\ud800", "\x00\n", "\u2028"))
NUMBERS = st.integers(0, 2**40)
MAYBE = st.none() | st.booleans()
NOTICES = st.builds(
    StatusNotice,
    stream=st.builds(
        StreamDescription,
        node_id=st.just("node1"),
        app_key=st.just("defaultApp"),
        session_id=st.just("s1"),
        media_session_id=TEXTS,
        name=TEXTS,
        published=st.booleans(),
        has_video=st.booleans(),
        has_audio=st.booleans(),
        status=st.sampled_from(StreamStatus),
        create_date=NUMBERS,
        record=st.booleans(),
        width=NUMBERS,
        height=NUMBERS,
        bitrate=NUMBERS,
        quality=NUMBERS,
        media_provider=TEXTS,
        info=st.none() | TEXTS | st.sampled_from(StreamInfo),
    ),
    audio_muted=MAYBE,
    video_muted=MAYBE,
    record_name=st.none() | TEXTS,
)


@given(NOTICES)
def test_the_short_way_gives_the_text_of_the_long_way(notice: StatusNotice) -> None:
    assert status_text(notice) == changed_status_text(notice)


def test_a_status_is_a_frame_without_what_the_backend_hides_and_with_what_it_puts_in() -> None:
    body = {"name": "cam", "published": True, "bitrate": 0}
    notice = StatusNotice(stream=STREAM, audio_muted=True)
    assert notice.as_shown(body, dict(body)) is notice
    plain = body_of(notice)
    assert (plain["name"], plain["audioState"]) == ("cam", {"muted": True})
    assert "videoState" not in plain
    shown = body_of(notice.as_shown(body, {"published": True, "bitrate": 7}))
    assert shown == {**{key: value for key, value in plain.items() if key != "name"}, "bitrate": 7}

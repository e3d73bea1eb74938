"""Server frames: each equals the shape that the unmodified SDK accepted."""

import json
from typing import Any

import pytest

from protocol.calls.statuses import CallStatus
from protocol.signaling.frame_codec import decode, encode, encode_message
from protocol.signaling.frames import (
    AvailableStreamAnswer,
    Connection,
    DataStatusEvent,
    Fail,
    Finish,
    GetUserData,
    GetVersion,
    InboundVideoRate,
    NotifySessionDebugEvent,
    NotifyStreamEvent,
    NotifyStreamStatusEvent,
    OnDataEvent,
    OutboundVideoRate,
    PingFrame,
    PongFrame,
    ServerFrame,
    SetRemoteSDP,
)
from protocol.signaling.session_statuses import DataStatus
from protocol.stream.info_texts import StreamInfo
from protocol.stream.statuses import StreamEventType, StreamStatus
from tests.support.session.frames import on_wire, samples


def recorded(message: str, index: int = 0) -> dict[str, Any]:
    frame: dict[str, Any] = samples(f"s2c_{message}")[index]["frame"]
    return frame


PUBLISHED = {
    "name": "cam1",
    "published": True,
    "has_video": True,
    "has_audio": True,
    "record": False,
    "media_provider": "WebRTC",
    "bitrate": 0,
    "min_bitrate": 0,
    "max_bitrate": 0,
}
RATED = "68711fa0-e529-11f1-b45d-f7353f53a481"
PLAYED = PUBLISHED | {"published": False, "width": 0, "height": 0, "quality": 0}


def status(media_session_id: str, status: StreamStatus, /, **fields: Any) -> NotifyStreamStatusEvent:
    return NotifyStreamStatusEvent(media_session_id=media_session_id, status=status, **fields)


STATUS_EVENTS = [
    status(
        "92f3cda0-e528-11f1-96da-056c6b78ba02",
        StreamStatus.PUBLISHING,
        **PUBLISHED | {"min_bitrate": 200, "max_bitrate": 600},
    ),
    status(
        "931bc800-e528-11f1-96da-056c6b78ba02", StreamStatus.PLAYING, **PLAYED, audio_muted=False, video_muted=False
    ),
    status(
        "95305020-e528-11f1-96da-056c6b78ba02",
        StreamStatus.FAILED,
        **PUBLISHED,
        info=StreamInfo.STREAM_NAME_ALREADY_IN_USE,
    ),
    status(
        "953495e0-e528-11f1-96da-056c6b78ba02",
        StreamStatus.FAILED,
        **PLAYED | {"name": "nosuch"},
        info=StreamInfo.STREAM_NOT_FOUND,
    ),
    status("931bc800-e528-11f1-96da-056c6b78ba02", StreamStatus.STOPPED, **PLAYED, info=StreamInfo.STOPPED_BY_USER),
    status(
        "95754860-e528-11f1-96da-056c6b78ba02",
        StreamStatus.STOPPED,
        **PLAYED,
        info=StreamInfo.STOPPED_BY_PUBLISHER_STOP,
    ),
    status(
        "92f3cda0-e528-11f1-96da-056c6b78ba02",
        StreamStatus.UNPUBLISHED,
        **PUBLISHED | {"min_bitrate": 200, "max_bitrate": 600},
        info=StreamInfo.STOPPED_BY_USER,
    ),
    status(
        "95e177b0-e528-11f1-96da-056c6b78ba02",
        StreamStatus.PLAYING,
        **PLAYED | {"name": "aonly"},
        transport="TCP",
        audio_muted=False,
        video_muted=False,
    ),
    status(
        "95e177b0-e528-11f1-96da-056c6b78ba02",
        StreamStatus.STOPPED,
        **PLAYED | {"name": "aonly"},
        transport="TCP",
        info=StreamInfo.STOPPED_BY_USER,
    ),
    status(
        "7dd1bac0-e52a-11f1-9f88-315401b0a29c",
        StreamStatus.FAILED,
        **PLAYED | {"name": "roomX-alice-7d7e-cam"},
        info=StreamInfo.STOPPED_BY_PUBLISHER_STOP,
    ),
    status(
        "e2b92e50-e52a-11f1-a353-6f5f42652fef",
        StreamStatus.PUBLISHING,
        **PUBLISHED | {"name": "f995"},
        transport="UDP",
        cvo_extension=False,
    ),
    status("66f729d0-e529-11f1-b45d-f7353f53a481", StreamStatus.PUBLISHING),
]


@pytest.mark.parametrize("index", range(len(STATUS_EVENTS)))
def test_status_events_equal_the_recorded_ones(index: int) -> None:
    assert on_wire(STATUS_EVENTS[index]) == recorded("notifyStreamStatusEvent", index)


def test_the_end_of_a_recorded_stream_names_the_file() -> None:
    frame = status(
        "66f729d0-e529-11f1-b45d-f7353f53a481",
        StreamStatus.UNPUBLISHED,
        info=StreamInfo.STOPPED_BY_USER,
        record_name="stream-rec.mp4",
    )
    assert on_wire(frame) == recorded("notifyStreamStatusEvent", 13)


STREAM_ID = "68711fa0-e529-11f1-b45d-f7353f53a481"
PLAYER = "931bc800-e528-11f1-96da-056c6b78ba02"
RESIZED = {"streamerVideoWidth": 1280, "streamerVideoHeight": 720}


@pytest.mark.parametrize(
    ("message", "index", "frame"),
    [
        ("ping", 0, PingFrame()),
        ("pong", 0, PongFrame()),
        ("getVersion", 0, GetVersion(version="5.2.0-stub")),
        (
            "availableStream",
            0,
            AvailableStreamAnswer(media_session_id="95109320-e528-11f1-96da-056c6b78ba02", available=True),
        ),
        (
            "DataStatusEvent",
            0,
            DataStatusEvent(operation_id="95300200-e528-11f1-96da-056c6b78ba02", status=DataStatus.ACCEPTED),
        ),
        (
            "DataStatusEvent",
            1,
            DataStatusEvent(
                operation_id="7e7f11c0-e52a-11f1-9f88-315401b0a29c", status=DataStatus.FAILED, info="Join failed"
            ),
        ),
        ("OnDataEvent", 0, OnDataEvent(operation_id="6598c268-19dc-4993-9ac0-284bb70cdcee", payload={"x": 2})),
        ("notifyStreamEvent", 0, NotifyStreamEvent(media_session_id=PLAYER, type=StreamEventType.AUDIO_MUTED)),
        ("notifyStreamEvent", 3, NotifyStreamEvent(media_session_id=PLAYER, type=StreamEventType.VIDEO_UNMUTED)),
        (
            "notifyStreamEvent",
            4,
            NotifyStreamEvent(media_session_id=PLAYER, type=StreamEventType.DATA, payload={"n": 33, "s": "hello"}),
        ),
        (
            "notifyStreamEvent",
            5,
            NotifyStreamEvent(
                media_session_id=PLAYER, type=StreamEventType.SNAPSHOT_COMPLETED, payload={"snapshot": "iVBORw=="}
            ),
        ),
        (
            "notifyStreamEvent",
            6,
            NotifyStreamEvent(media_session_id=STREAM_ID, type=StreamEventType.RESIZE, payload=RESIZED),
        ),
        (
            "fail",
            0,
            Fail(
                api_method="StreamStatusEvent",
                id="68711fa0-e529-11f1-b45d-f7353f53a481",
                status="FAILED",
                info=StreamInfo.STOPPED_BY_REST_TERMINATE,
            ),
        ),
        ("fail", 1, Fail(api_method="sendData", info="x")),
        ("notifySessionDebugEvent", 0, NotifySessionDebugEvent(status="STARTED", file="a.tgz")),
        ("inboundVideoRate", 0, InboundVideoRate(media_session_id=RATED, video_rate=500_000)),
        ("outboundVideoRate", 0, OutboundVideoRate(media_session_id=RATED, video_rate=500_000)),
        ("finish", 0, Finish(call_id="04b85620-e52b-11f1-9d24-2d343468e2b1", status=CallStatus.FINISH)),
    ],
)
def test_frames_equal_the_recorded_ones(message: str, index: int, frame: ServerFrame) -> None:
    assert json.loads(encode(frame)) == recorded(message, index)


def test_a_remote_sdp_is_positional_and_always_tells_the_initiator() -> None:
    expected = recorded("setRemoteSDP")
    media_session_id, sdp, _ = expected["data"]
    assert on_wire(SetRemoteSDP(media_session_id=media_session_id, sdp=sdp)) == expected
    assert SetRemoteSDP(media_session_id="a", sdp="b", is_initiator=False).wire_data() == ["a", "b", False]


@pytest.mark.parametrize(("sent", "answered"), [(0, 0), (1, 1), (3, 2)])
def test_user_data_echoes_the_connection_without_custom(sent: int, answered: int) -> None:
    connection = decode(samples("c2s_connection")[sent]["raw"])
    assert isinstance(connection, Connection)
    expected = recorded("getUserData", answered)
    expected["data"][0].pop("sipPassword", None)  # the stub that it was recorded with repeated it
    assert on_wire(GetUserData.echo(connection, auth_token=expected["data"][0]["authToken"])) == expected


def test_what_the_server_adds_to_user_data_wins_over_what_the_client_sent() -> None:
    connection = Connection(raw={"authToken": "old", "status": "FAILED", "appKey": "a", "keepAlive": True})
    frame = GetUserData.echo(connection, auth_token="new")
    assert frame.wire_data() == [{"authToken": "new", "status": "ESTABLISHED", "appKey": "a", "keepAlive": True}]


def test_tokens_for_push_messages_are_not_echoed() -> None:
    connection = Connection(raw={"appKey": "a", "noticationToken": "t", "notificationToken": "t", "appId": "org.app"})
    (data,) = GetUserData.echo(connection, auth_token="new").wire_data()
    assert data == {"authToken": "new", "status": "ESTABLISHED", "appKey": "a", "appId": "org.app"}


def test_availability_is_the_word_and_not_a_boolean() -> None:
    answer = AvailableStreamAnswer(media_session_id="a", available=False, info=StreamInfo.STREAM_NOT_FOUND)
    assert answer.wire_data() == [{"id": "a", "status": "false", "info": "Stream not found"}]


@pytest.mark.parametrize("payload", [None, 0, "", [], {"a": None}])
def test_the_payload_of_a_data_event_is_always_sent(payload: Any) -> None:
    assert OnDataEvent(payload=payload).wire_data() == [{"payload": payload}]


def test_fail_carries_extra_fields_that_cannot_replace_its_own() -> None:
    frame = Fail(info="backend said no", extra={"method": "StreamStatusEvent", "info": "other"})
    assert frame.wire_data() == [{"method": "StreamStatusEvent", "info": "backend said no"}]


def test_mute_state_tells_late_joiners() -> None:
    frame = status("a", StreamStatus.PLAYING, audio_muted=True)
    assert frame.wire_data() == [{"mediaSessionId": "a", "status": "PLAYING", "audioState": {"muted": True}}]


def test_a_backend_overwrites_and_the_application_excludes_fields() -> None:
    frame = status(
        "a",
        StreamStatus.PUBLISHING,
        name="real",
        has_video=True,
        info="old",
        audio_muted=True,
        overwrite={"info": "new", "custom": {"x": 1}, "hasVideo": None},
        exclude=frozenset({"name", "audioState"}),
    )
    assert frame.wire_data() == [{"mediaSessionId": "a", "status": "PUBLISHING", "info": "new", "custom": {"x": 1}}]


def test_routing_key_and_status_cannot_be_excluded_or_overwritten() -> None:
    guarded = {"mediaSessionId": "b", "status": None}
    frame = status("a", StreamStatus.FAILED, exclude=frozenset(guarded), overwrite=guarded)
    assert frame.wire_data() == [{"mediaSessionId": "a", "status": "FAILED"}]


def test_text_is_compact_and_ascii_whatever_the_strings_hold() -> None:
    assert encode(PingFrame()) == '{"message":"ping","data":[null]}'
    text = encode(OnDataEvent(payload={"ключ": "\ud83d"}))
    assert text.isascii()
    assert json.loads(text)["data"] == [{"payload": {"ключ": "\ud83d"}}]


def test_messages_without_a_class_can_be_encoded() -> None:
    assert encode_message("notifyAudioCodec", ["1", {"name": "x"}]) == (
        '{"message":"notifyAudioCodec","data":["1",{"name":"x"}]}'
    )
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_message("x", [float("nan")])


def test_terminal_statuses_are_those_that_close_the_peer_connection() -> None:
    terminal = {status for status in StreamStatus if status.is_terminal}
    assert terminal == {StreamStatus.UNPUBLISHED, StreamStatus.STOPPED, StreamStatus.FAILED}


def test_events_that_a_publisher_may_send() -> None:
    allowed = {str(event) for event in StreamEventType if event.is_from_publisher}
    assert allowed == {"audioMuted", "audioUnmuted", "videoMuted", "videoUnmuted", "data"}

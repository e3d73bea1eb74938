"""Client frames: what the unmodified SDK sends, what is tolerated, and how everything else is answered."""

import json
from typing import Any

import pytest

from protocol.common.json_decoding import MAX_FAULTS
from protocol.common.memory_budget import weigh
from protocol.signaling.client_frames import ID_LIMIT, NAME_LIMIT, SDP_LIMIT
from protocol.signaling.frame_codec import MESSAGE_LIMIT, FrameError, decode, weigh_frame
from protocol.signaling.frames import (
    AvailableStream,
    ClientMessage,
    Connection,
    ConnectMediaTransport,
    DataStatusAck,
    Ping,
    PlayStream,
    Pong,
    PublishStream,
    PushLogs,
    SendData,
    SendStreamEvent,
    SessionDebug,
    SipRequest,
    Snapshot,
    StopStream,
    SubmitBugReport,
    UnknownFrame,
    UnPublishStream,
)
from protocol.stream.statuses import StreamEventType
from tests.support.session.frames import on_wire, raw_client_frames, samples

ID = "92f3cda0-e528-11f1-96da-056c6b78ba02"


def text_of(message: str, *data: Any) -> str:
    return json.dumps({"message": message, "data": list(data)})


def publish(**fields: Any) -> dict[str, Any]:
    return {"mediaSessionId": ID, "name": "cam1", "sdp": "v=0"} | fields


def refused(message: str, *data: Any) -> FrameError:
    with pytest.raises(FrameError) as caught:
        decode(text_of(message, *data))
    return caught.value


# --- recorded frames -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", raw_client_frames())
def test_every_recorded_frame_decodes_without_a_note(raw: str) -> None:
    frame = decode(raw)
    assert frame.notes == ()
    assert frame.message == json.loads(raw)["message"]
    assert not isinstance(frame, UnknownFrame)


def test_recorded_connection() -> None:
    sample = samples("c2s_connection")[0]
    frame = decode(sample["raw"])
    assert isinstance(frame, Connection)
    assert frame.raw == sample["frame"]["data"][0]
    assert (frame.app_key, frame.client_version, frame.mse_packetization_version) == ("defaultApp", "2.0", 2)
    assert frame.media_providers == ("WebRTC", "MSE", "WSPlayer")
    assert frame.client_os_version.startswith("5.0 (X11; Linux x86_64)")
    assert frame.client_browser_version.startswith("Mozilla/5.0")
    assert (frame.keep_alive, frame.custom, frame.client_info) == (False, {"token": "abc"}, {})


def test_recorded_sip_connection() -> None:
    frame = decode(samples("c2s_connection")[3]["raw"])
    assert isinstance(frame, Connection)
    assert (frame.sip_login, frame.sip_password, frame.sip_port, frame.sip_register_required) == (
        "3000",
        "pw",
        5060,
        True,
    )


def test_recorded_publish() -> None:
    sample = samples("c2s_publishStream")[0]
    frame = decode(sample["raw"])
    assert frame == PublishStream(
        media_session_id=ID,
        name="cam1",
        sdp=sample["frame"]["data"][0]["sdp"],
        min_bitrate=200,
        max_bitrate=600,
        custom={"a": 1},
    )
    assert PublishStream.published


def test_recorded_play() -> None:
    sample = samples("c2s_playStream")[4]
    frame = decode(sample["raw"])
    assert frame == PlayStream(
        media_session_id="416792d0-e52a-11f1-a9c5-115bed5b09b4",
        name="v1",
        sdp=sample["frame"]["data"][0]["sdp"],
        width=160,
        height=120,
        bitrate=300,
        quality=10,
    )
    assert not PlayStream.published


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("c2s_ping", Ping()),
        ("c2s_pong", Pong()),
        ("c2s_unPublishStream", UnPublishStream(media_session_id=ID, name="cam1")),
        ("c2s_stopStream", StopStream(media_session_id="931bc800-e528-11f1-96da-056c6b78ba02", name="cam1")),
        ("c2s_availableStream", AvailableStream(media_session_id="95109320-e528-11f1-96da-056c6b78ba02", name="cam1")),
        ("c2s_snapshot", Snapshot(media_session_id="931bc800-e528-11f1-96da-056c6b78ba02", name="cam1")),
        ("c2s_sendStreamEvent", SendStreamEvent(media_session_id=ID, type=StreamEventType.AUDIO_MUTED)),
        (
            "c2s_sendData",
            SendData(
                operation_id="7d5d4e10-e52a-11f1-9f88-315401b0a29c",
                payload={"command": "join", "options": {"name": "roomX", "record": False}},
            ),
        ),
        ("c2s_pushLogs", PushLogs(logs='21:38:56 INFO webrtc - "Initialized"\n')),
        ("c2s_sessionDebug", SessionDebug(command="start")),
        ("c2s_submitBugReport", SubmitBugReport(report={"text": "x", "type": "no_media"})),
        (
            "c2s_connectMediaTransport",
            ConnectMediaTransport(auth_token="/127.0.0.1:50326/127.0.0.1:8080-3a676774-d3d9-41f8-a984-5dc7822d81d8"),
        ),
    ],
)
def test_recorded_small_frames(file_name: str, expected: ClientMessage) -> None:
    assert decode(samples(file_name)[0]["raw"]) == expected


@pytest.mark.parametrize("message", ["call", "hangup", "hold", "unhold", "sendDtmf", "transfer"])
def test_recorded_sip_frames(message: str) -> None:
    frame = decode(samples(f"c2s_{message}")[0]["raw"])
    assert isinstance(frame, SipRequest)
    assert (frame.message, frame.call_id) == (message, "04b85620-e52b-11f1-9d24-2d343468e2b1")
    assert frame.sdp.startswith("v=0") is (message == "call")
    assert (frame.type, frame.dtmf) == ("RFC2833", "5" if message == "sendDtmf" else "")
    assert frame.target == ("3002" if message == "transfer" else "")


# --- what is tolerated ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", ["", ',"data":null', ',"data":[]', ',"data":[null]', ',"data":[{}]'])
def test_data_may_be_missing_or_empty(rest: str) -> None:
    assert decode(f'{{"message":"pong"{rest}}}') == Pong()
    assert decode(f'{{"message":"ping"{rest}}}') == Ping()
    assert decode(f'{{"message":"pushLogs"{rest}}}') == PushLogs()


def test_data_of_a_wrong_type_is_noted() -> None:
    assert decode('{"message":"pong","data":"x"}') == Pong(notes=("pong: expected an array @ $.data",))
    assert decode('{"message":"pong","data":[5]}') == Pong(notes=("pong: expected an object @ $.data[0]",))


def test_null_fields_and_unknown_fields_count_as_absent() -> None:
    optional = dict.fromkeys(["hasVideo", "status", "record", "width", "custom", "transport", "rtmpUrl"])
    frame = decode(text_of("publishStream", publish(**optional, notes=["x"], cunning=1)))
    assert frame == PublishStream(media_session_id=ID, name="cam1", sdp="v=0")


def test_numbers_that_pages_send_as_text_are_taken() -> None:
    frame = decode(text_of("playStream", publish(width="640", height="480", bitrate="300", quality="10")))
    assert isinstance(frame, PlayStream)
    assert (frame.width, frame.height, frame.bitrate, frame.quality, frame.notes) == (640, 480, 300, 10, ())


def test_fields_of_a_wrong_type_are_ignored_with_a_note_that_hides_the_value() -> None:
    fields = publish(width="secret", hasVideo="false", record=1, transport=["UDP"], minBitrate=-1)
    frame = decode(text_of("publishStream", fields))
    assert isinstance(frame, PublishStream)
    assert (frame.width, frame.has_video, frame.record, frame.transport, frame.min_bitrate) == (0, True, False, None, 0)
    assert frame.notes == (
        "publishStream: expected true or false @ $.data[0].hasVideo",
        "publishStream: expected true or false @ $.data[0].record",
        "publishStream: expected an integer from 0 to 2147483647 @ $.data[0].minBitrate",
        "publishStream: expected an integer @ $.data[0].width",
        "publishStream: expected a string @ $.data[0].transport",
    )


def test_one_bad_media_provider_spoils_the_list_only() -> None:
    frame = decode(text_of("connection", {"appKey": "a", "mediaProviders": ["WebRTC", 5]}))
    assert isinstance(frame, Connection)
    assert (frame.app_key, frame.media_providers) == ("a", ())
    assert frame.notes == ("connection: expected a string @ $.data[0].mediaProviders[1]",)


@pytest.mark.parametrize("custom", [0, False, "", "text", 1.5, [], [1], {}, {"a": None}])
def test_custom_may_be_any_json(custom: Any) -> None:
    frame = decode(text_of("publishStream", publish(custom=custom)))
    assert isinstance(frame, PublishStream)
    assert frame.custom == custom
    assert type(frame.custom) is type(custom)


def test_an_acknowledgement_of_an_old_sdk_is_known() -> None:
    frame = decode(text_of("DataStatusEvent", {"operationId": "1", "status": "ACCEPTED"}))
    assert frame == DataStatusAck(operation_id="1", status="ACCEPTED")


def test_an_unknown_message_is_no_error() -> None:
    assert decode(text_of("webRTCMetricsBatch", {"any": 1})) == UnknownFrame(message="webRTCMetricsBatch")
    assert decode(text_of("x" * 10_000)) == UnknownFrame(message="x" * MESSAGE_LIMIT)


def test_a_play_request_may_name_nothing() -> None:
    frame = decode(text_of("playStream", publish(name="")))
    assert isinstance(frame, PlayStream)
    assert frame.name == ""


def test_lone_surrogates_do_not_reach_the_frame() -> None:
    frame = decode(r'{"message":"sendData","data":[{"operationId":"1","payload":{"text":"cut \ud83d"}}]}')
    assert frame == SendData(operation_id="1", payload={"text": "cut \ufffd"})


def test_secrets_stay_out_of_repr() -> None:
    secret = "s3cr3t"
    fields = {"authToken": secret, "custom": {"token": secret}, "sipPassword": secret, "sipLogin": secret}
    shown = repr(decode(text_of("connection", fields | {"clientInfo": secret})))
    shown += repr(decode(text_of("publishStream", publish(sdp=secret, custom=secret, rtmpUrl=secret))))
    shown += repr(decode(text_of("sendData", {"operationId": "1", "payload": secret})))
    shown += repr(decode(text_of("connectMediaTransport", {"authToken": secret})))
    assert secret not in shown


# --- what is refused, and how --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "frame: not JSON: Expecting value: line 1 column 1 (char 0) @ $"),
        ('{"message":"pong","data":[NaN]}', "frame: not JSON: NaN is not JSON @ $"),
        ("[" * 10_000, "frame: nested deeper than 64 levels @ $"),
        ("[" * 100_000, "frame: more than 50000 values and keys @ $"),
        ("[]", "frame: expected an object @ $"),
        ("null", "frame: expected an object @ $"),
        ("{}", "frame: required field missing @ $.message"),
        ('{"message":null}', "frame: required field missing @ $.message"),
        ('{"message":["pong"]}', "frame: expected a string @ $.message"),
    ],
)
def test_text_that_is_no_frame_is_answered_by_a_warning(text: str, message: str) -> None:
    with pytest.raises(FrameError) as caught:
        decode(text)
    error = caught.value
    assert (error.message, error.frame, error.media_session_id) == (message, "", "")
    assert on_wire(error.answer) == {"message": "fail", "data": [{"status": "FAILED", "info": message}]}


@pytest.mark.parametrize("message", ["publishStream", "playStream", "unPublishStream", "stopStream", "availableStream"])
@pytest.mark.parametrize("data", [[], [None], [{}], [{"mediaSessionId": None}], [{"mediaSessionId": ""}]])
def test_a_missing_media_session_id_is_told_by_fail(message: str, data: list[Any]) -> None:
    error = refused(message, *data)
    assert error.frame == message
    assert error.message.endswith("@ $.data[0].mediaSessionId")
    assert on_wire(error.answer) == {
        "message": "fail",
        "data": [{"apiMethod": message, "status": "FAILED", "info": "MediaSessionId is null"}],
    }


def test_the_error_names_the_frame_and_the_path() -> None:
    assert refused("publishStream", {}).message == "publishStream: required field missing @ $.data[0].mediaSessionId"
    assert refused("sendData", {}).message == "sendData: required field missing @ $.data[0].operationId"


@pytest.mark.parametrize("bad_id", [5.5, 2**53, True, ["a"], {}, "x" * (ID_LIMIT + 1)])
def test_an_unusable_media_session_id_is_told_by_fail(bad_id: Any) -> None:
    error = refused("publishStream", publish(mediaSessionId=bad_id))
    assert error.media_session_id == ""
    assert on_wire(error.answer)["data"] == [{"apiMethod": "publishStream", "status": "FAILED", "info": error.message}]


@pytest.mark.parametrize("message", ["publishStream", "playStream"])
@pytest.mark.parametrize(
    ("fields", "info"),
    [
        ({"sdp": None}, "Failed to add stream to proxy"),
        ({"sdp": ""}, "Failed to add stream to proxy"),
        ({"sdp": 5}, "Failed to add stream to proxy"),
        ({"name": None}, "Failed by error"),
        ({"name": 5.5}, "Failed by error"),
        ({"name": True}, "Failed by error"),
        ({"name": ["cam1"]}, "Failed by error"),
        ({"mediaProvider": ["MSE"]}, "Failed by error"),
        ({"mediaProvider": 5}, "Failed by error"),
        ({"sdp": "v=0" + "x" * SDP_LIMIT}, "Failed to add stream to proxy"),
        ({"name": "x" * (NAME_LIMIT + 1)}, "Failed by error"),
    ],
)
def test_a_stream_request_with_an_id_is_answered_by_its_status(message: str, fields: Any, info: str) -> None:
    error = refused(message, publish(**fields))
    assert error.media_session_id == ID
    assert on_wire(error.answer) == {
        "message": "notifyStreamStatusEvent",
        "data": [{"mediaSessionId": ID, "status": "FAILED", "info": info}],
    }
    assert on_wire(error.fail) == {
        "message": "fail",
        "data": [{"apiMethod": message, "id": ID, "status": "FAILED", "info": error.message}],
    }


def test_a_whole_number_is_taken_for_the_name_that_it_spells() -> None:
    frame = decode(text_of("publishStream", publish(mediaSessionId=7, name=12345)))
    assert isinstance(frame, PublishStream)
    assert (frame.media_session_id, frame.name, frame.notes) == ("7", "12345", ())
    assert refused("playStream", {"mediaSessionId": 7, "name": "cam1"}).media_session_id == "7"
    assert decode(text_of("connection", {"appKey": 4711})) == Connection(app_key="4711", raw={"appKey": 4711})


@pytest.mark.parametrize("app_key", [True, False, 1.5, [], ["a"], {}, {"a": 1}, "x" * (ID_LIMIT + 1)])
def test_an_application_key_that_is_no_name_never_stands_for_the_default_one(app_key: Any) -> None:
    error = refused("connection", {"appKey": app_key})
    assert error.message.endswith("@ $.data[0].appKey")
    answer = on_wire(error.answer)
    assert answer["message"] == "fail"
    assert answer["data"] == [{"apiMethod": "connection", "status": "FAILED", "info": error.message}]


def test_a_long_list_is_dropped_whole_with_one_note() -> None:
    frame = decode(text_of("connection", {"appKey": "a", "mediaProviders": [1] * 40_000}))
    assert isinstance(frame, Connection)
    assert frame.media_providers == ()
    assert frame.notes == ("connection: more than 64 items @ $.data[0].mediaProviders",)


def test_notes_are_few() -> None:
    frame = decode(text_of("connection", {"appKey": "a", "mediaProviders": [1] * 64}))
    assert isinstance(frame, Connection)
    assert len(frame.notes) == MAX_FAULTS


@pytest.mark.parametrize(
    "fields",
    [
        {"custom": [[] for _ in range(10_000)]},
        {"custom": "x" * 100_000},
        {"custom": {f"key{n}": n for n in range(5000)}},
    ],
)
def test_a_frame_weighs_what_it_holds(fields: dict[str, Any]) -> None:
    least = weigh(fields)
    for text in (text_of("connection", fields), text_of("publishStream", publish(**fields))):
        assert least <= weigh_frame(decode(text)) < least + 5000
    assert weigh_frame(refused("publishStream", fields)) < 1000


def test_a_publication_needs_a_name() -> None:
    assert refused("publishStream", publish(name="")).message == "publishStream: must not be empty @ $.data[0].name"


def test_available_and_snapshot_get_their_own_answers() -> None:
    available = refused("availableStream", {"mediaSessionId": ID})
    text = "availableStream: required field missing @ $.data[0].name"
    assert on_wire(available.answer)["data"] == [{"id": ID, "status": "false", "info": text}]
    snapshot = refused("snapshot", {"mediaSessionId": ID})
    assert on_wire(snapshot.answer)["data"] == [
        {"mediaSessionId": ID, "type": "snapshotFailed", "payload": {"info": snapshot.message}}
    ]


@pytest.mark.parametrize("event", [None, "explode", 5, "AUDIO_MUTED"])
def test_an_unknown_stream_event_is_a_warning_and_never_a_status(event: Any) -> None:
    error = refused("sendStreamEvent", {"mediaSessionId": ID, "type": event})
    assert on_wire(error.answer)["message"] == "fail"
    assert on_wire(error.answer)["data"][0]["apiMethod"] == "sendStreamEvent"


def test_a_sip_frame_needs_its_call() -> None:
    answer = on_wire(refused("call", {}).answer)
    info = "call: required field missing @ $.data[0].callId"
    assert answer == {"message": "fail", "data": [{"apiMethod": "call", "status": "FAILED", "info": info}]}

"""Bodies of hooks, field for field."""

from attrs import evolve

from protocol.hooks import (
    HookContext,
    connect_body,
    connection_status_body,
    data_body,
    data_status_body,
    snapshot_body,
    stream_body,
    stream_end_body,
    stream_event_body,
)
from protocol.node.descriptions import StreamDescription

NODE = "Hw47CFMBEchVOpBMDr29IxjudnJ1sjOY@192.168.1.101"
SESSION = "/192.168.1.102:4388/192.168.1.101:8443"
CONTEXT = HookContext(node_id=NODE, app_key="defaultApp", session_id=SESSION)
CONTEXT_BODY = {"nodeId": NODE, "appKey": "defaultApp", "sessionId": SESSION}
STREAM = StreamDescription(
    node_id=NODE,
    app_key="defaultApp",
    session_id=SESSION,
    media_session_id="56141d10-fddc-11e6-ac3a-4d67d5b3360d",
    name="b4e7",
    published=True,
    has_video=True,
    has_audio=True,
    status="PUBLISHING",
    sdp="v=0",
    create_date=0,
)


def test_the_stream_object_of_the_pages() -> None:
    """The sample of the page "Type 3 - the event", and the two limits of newer builds."""
    sample = {
        **CONTEXT_BODY,
        "mediaSessionId": "56141d10-fddc-11e6-ac3a-4d67d5b3360d",
        "name": "b4e7",
        "published": True,
        "hasVideo": True,
        "hasAudio": True,
        "status": "PUBLISHING",
        "sdp": "v=0",
        "record": False,
        "width": 0,
        "height": 0,
        "bitrate": 0,
        "quality": 0,
        "mediaProvider": "WebRTC",
    }
    assert stream_body(STREAM) == sample | {"minBitrate": 0, "maxBitrate": 0}


def test_info_and_custom_come_along_when_set() -> None:
    failed = evolve(STREAM, info="Stopped by user")
    body = stream_body(failed, custom={"token": "abc"})
    assert (body["info"], body["custom"]) == ("Stopped by user", {"token": "abc"})
    assert not {"info", "custom"} & stream_body(evolve(STREAM, info="")).keys()


def test_the_end_of_a_stream_is_told_without_its_media() -> None:
    body = stream_end_body(STREAM, custom=5)
    assert not {"sdp", "width", "mediaProvider"} & body.keys()
    assert body["custom"] == 5
    assert body["mediaSessionId"] == STREAM.media_session_id


def test_connect_copies_what_is_known_and_nothing_else() -> None:
    frame: dict[str, object] = {
        "appKey": "otherApp",
        "sessionId": "forged",
        "mediaProviders": ["WebRTC"],
        "clientVersion": "2.0",
        "custom": {"token": "abc"},
        "restClientConfig": {"connect": {}},
        "authToken": None,
    }
    assert connect_body(CONTEXT, frame, origin="https://page.test") == {
        **CONTEXT_BODY,
        "useWsTunnel": False,
        "useWsTunnelPacketization2": False,
        "useBase64BinaryEncoding": False,
        "mediaProviders": ["WebRTC"],
        "clientVersion": "2.0",
        "custom": {"token": "abc"},
        "origin": "https://page.test",
    }


def test_an_established_connection_is_told_in_full_and_an_ended_one_in_short() -> None:
    connected = connect_body(CONTEXT, {"clientVersion": "2.0"})
    established = connection_status_body(connected, status="ESTABLISHED", auth_token="token")
    assert established == {**connected, "status": "ESTABLISHED", "authToken": "token"}
    assert connection_status_body(connected, status="DISCONNECTED") == {**CONTEXT_BODY, "status": "DISCONNECTED"}
    failed = connection_status_body(connected, status="FAILED", info="bad token")
    assert failed == {**CONTEXT_BODY, "status": "FAILED", "info": "bad token"}


def test_the_small_ones() -> None:
    assert snapshot_body(CONTEXT, name="b4e7", media_session_id="id") == {
        **CONTEXT_BODY, "mediaSessionId": "id", "name": "b4e7",
    }  # fmt: skip
    assert stream_event_body(CONTEXT, media_session_id="id", event_type="audioMuted") == {
        **CONTEXT_BODY, "mediaSessionId": "id", "type": "audioMuted",
    }  # fmt: skip
    assert stream_event_body(CONTEXT, media_session_id="id", event_type="data", payload={"count": 23}) == {
        **CONTEXT_BODY, "mediaSessionId": "id", "type": "data", "payload": {"count": 23},
    }  # fmt: skip
    assert data_body(CONTEXT, operation_id="op", payload=[1]) == {**CONTEXT_BODY, "operationId": "op", "payload": [1]}
    assert data_status_body(CONTEXT, operation_id="op", status="FAILED", info="no") == {
        **CONTEXT_BODY, "operationId": "op", "status": "FAILED", "info": "no",
    }  # fmt: skip

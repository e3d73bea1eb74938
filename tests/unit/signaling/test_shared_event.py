"""An event that is encoded once reads, for each receiver, as if it had been encoded for that one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.signaling.frame_codec import encode
from protocol.signaling.frames import NotifyStreamEvent
from protocol.signaling.shared_event import SharedEvent, status_form
from protocol.stream.events import StreamEvent
from protocol.stream.statuses import StreamEventType

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.sampled_from(StreamEventType), JSON, st.text())
def test_it_reads_as_if_encoded_for_its_receiver(event: StreamEventType, payload: Any, receiver: str) -> None:
    frame = NotifyStreamEvent(media_session_id=receiver, type=event, payload=payload)
    status = status_form(event, payload, media_session_id=receiver)
    expected = [encode(each) for each in (frame, status) if each is not None]
    assert SharedEvent(StreamEvent(event, payload)).addressed_to(receiver) == expected


@pytest.mark.parametrize(
    ("event", "payload", "message", "status"),
    [
        (
            StreamEventType.RESIZE,
            {"streamerVideoWidth": 640, "streamerVideoHeight": 360},
            "notifyVideoFormat",
            {
                "status": "RESIZE",
                "streamerVideoWidth": 640,
                "streamerVideoHeight": 360,
                "playerVideoWidth": 640,
                "playerVideoHeight": 360,
            },
        ),
        (
            StreamEventType.NOT_ENOUGH_BANDWIDTH,
            {"info": "1500000/400000"},
            "notifyStreamStatusEvent",
            {"status": "NOT_ENOUGH_BANDWIDTH", "info": "1500000/400000"},
        ),
        (
            StreamEventType.SNAPSHOT_COMPLETED,
            {"snapshot": "iVBORw=="},
            "notifyStreamStatusEvent",
            {"status": "SNAPSHOT_COMPLETE", "info": "iVBORw=="},
        ),
    ],
)
def test_old_sdks_get_a_status_behind_the_event(event: Any, payload: Any, message: str, status: Any) -> None:
    told, behind = map(json.loads, SharedEvent(StreamEvent(event, payload)).addressed_to("v1"))
    assert told == {
        "message": "notifyStreamEvent",
        "data": [{"mediaSessionId": "v1", "type": event, "payload": payload}],
    }
    assert behind == {"message": message, "data": [{"mediaSessionId": "v1"} | status]}


@pytest.mark.parametrize("event", [each for each in StreamEventType if each.is_from_publisher])
def test_what_a_publisher_tells_is_an_event_for_every_sdk(event: StreamEventType) -> None:
    assert len(SharedEvent(StreamEvent(event, {"info": "x"})).addressed_to("v1")) == 1


def test_a_payload_cannot_stand_in_for_the_address() -> None:
    event = SharedEvent(StreamEvent(StreamEventType.DATA, {"mediaSessionId": ""}))
    (text,) = event.addressed_to("v1")
    assert text.count('"v1"') == 1


def test_its_size_is_that_of_the_frame_without_the_id() -> None:
    event = SharedEvent(StreamEvent(StreamEventType.DATA, "x" * 1000))
    (text,) = event.addressed_to("")
    assert event.size == len(text) - len('""')


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        SharedEvent(StreamEvent(StreamEventType.DATA, float("nan")))

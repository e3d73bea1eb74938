"""An event that is encoded once reads, for each receiver, as if it had been encoded for that one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.signaling.codec import encode
from protocol.signaling.frames import NotifyStreamEvent
from protocol.signaling.shared_event import SharedEvent
from protocol.signaling.statuses import StreamEventType

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.sampled_from(StreamEventType), JSON, st.text())
def test_it_reads_as_if_encoded_for_its_receiver(event: StreamEventType, payload: Any, receiver: str) -> None:
    frame = NotifyStreamEvent(media_session_id=receiver, type=event, payload=payload)
    assert SharedEvent(event, payload).addressed_to(receiver) == encode(frame)


def test_a_payload_cannot_stand_in_for_the_address() -> None:
    event = SharedEvent(StreamEventType.DATA, {"mediaSessionId": ""})
    assert event.addressed_to("v1").count('"v1"') == 1


def test_its_size_is_that_of_the_frame_without_the_id() -> None:
    event = SharedEvent(StreamEventType.DATA, "x" * 1000)
    assert event.size == len(event.addressed_to("")) - len('""')


def test_what_json_cannot_say_is_refused() -> None:
    with pytest.raises(ValueError, match="Out of range"):
        SharedEvent(StreamEventType.DATA, float("nan"))

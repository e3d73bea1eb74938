"""Whatever text comes, it is a frame or an error that can be answered."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from protocol.signaling.frame_codec import FrameError, decode, encode
from protocol.signaling.frames import ClientMessage
from tests.support.session.frames import raw_client_frames

# --- any input -----------------------------------------------------------------------------------------------------

MESSAGES = sorted({json.loads(raw)["message"] for raw in raw_client_frames()} | {"answer", "DataStatusEvent"})
FIELDS = sorted({key for raw in raw_client_frames() for key in (json.loads(raw)["data"][0] or {})})
ANY_CHARACTER = st.characters(codec=None, categories=None)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(ANY_CHARACTER, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
bodies = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=6)
hostile_frames = st.fixed_dictionaries(
    {"message": st.sampled_from(MESSAGES)},
    optional={"data": json_values | st.lists(bodies | json_values, max_size=2)},
)


def check(text: str) -> None:
    try:
        frame = decode(text)
    except FrameError as error:
        encode(error.answer).encode()
        encode(error.fail).encode()
    else:
        assert isinstance(frame, ClientMessage)
        repr(frame).encode()


@given(st.text(ANY_CHARACTER))
def test_any_text_gives_a_frame_or_an_answerable_error(text: str) -> None:
    check(text)


@given(hostile_frames, st.booleans())
def test_any_frame_gives_a_frame_or_an_answerable_error(frame: dict[str, Any], ascii_only: bool) -> None:
    check(json.dumps(frame, ensure_ascii=ascii_only))


@given(st.sampled_from(raw_client_frames()), st.data())
def test_a_cut_or_changed_recorded_frame_gives_a_frame_or_an_answerable_error(raw: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(raw)))
    check(raw[:at])
    check(raw[:at] + data.draw(st.text(ANY_CHARACTER, max_size=3)) + raw[at + 1 :])

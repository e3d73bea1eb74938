"""What a server leaves behind for its next start."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from protocol.hooks import ServerStatus, server_status_body
from protocol.node.run_record import (
    MAX_LINE,
    MAX_STREAMS,
    LeftStream,
    PreviousRun,
    encode_head,
    encode_stream,
    read_record,
)

NEWS = LeftStream(app_key="shop", session_id="s1", media_session_id="m1", name="news", published=True)
TEXTS = st.text(max_size=50)
STREAMS = st.builds(
    LeftStream, app_key=TEXTS, session_id=TEXTS, media_session_id=TEXTS, name=TEXTS, published=st.booleans()
)


def written(*streams: LeftStream, truncated: bool = False) -> bytes:
    return encode_head(len(streams), truncated=truncated) + b"".join(encode_stream(stream) or b"" for stream in streams)


@given(st.lists(STREAMS, max_size=5), st.booleans())
def test_what_is_written_is_read(streams: list[LeftStream], truncated: bool) -> None:
    read = read_record(written(*streams, truncated=truncated))
    assert read == PreviousRun(is_crash=True, streams=tuple(streams), truncated=truncated)


@given(st.integers(min_value=0, max_value=100))
def test_a_file_that_breaks_off_is_truncated(missing: int) -> None:
    whole = written(NEWS, evolve(NEWS, media_session_id="m2"))
    read = read_record(whole[: len(whole) - missing])
    assert read.is_crash
    assert read.truncated == (missing > 1), "without the last line end, nothing is lost"


@pytest.mark.parametrize(
    "line", [b"[]", b"{}", b"\xff", b'["a","b","c","d","e"]', b'["a","b","c",1,true]', b"[" * 100_000, b""]
)
def test_a_line_that_is_none_is_left_out(line: bytes) -> None:
    whole = encode_head(2, truncated=False) + (encode_stream(NEWS) or b"") + line + b"\n"
    assert read_record(whole) == PreviousRun(is_crash=True, streams=(NEWS,), truncated=True)


@pytest.mark.parametrize("head", [b"", b"{}", b"null", b'{"streams":1}', b'{"streams":1,"truncated":true}'])
def test_a_file_without_a_head_is_truncated(head: bytes) -> None:
    read = read_record(head + b"\n" + (encode_stream(NEWS) or b""))
    assert read == PreviousRun(is_crash=True, streams=(NEWS,), truncated=True)


def test_no_more_streams_are_read_than_are_kept() -> None:
    read = read_record(written(*[NEWS] * (MAX_STREAMS + 1)))
    assert (len(read.streams), read.truncated) == (MAX_STREAMS, True)


def test_a_stream_with_a_very_long_name_has_no_line() -> None:
    assert encode_stream(evolve(NEWS, name="n" * MAX_LINE)) is None


def test_the_hook_tells_an_application_its_own_streams() -> None:
    other = evolve(NEWS, app_key="other", media_session_id="m2")
    previous = PreviousRun(is_crash=True, streams=(NEWS, other), truncated=True)
    assert server_status_body("node", "shop", ServerStatus.STARTED, previous) == {
        "nodeId": "node",
        "appKey": "shop",
        "status": "STARTED",
        "previousEnd": "crash",
        "streams": [{"sessionId": "s1", "mediaSessionId": "m1", "name": "news", "published": True}],
        "truncated": True,
    }
    stopping = server_status_body("node", "shop", ServerStatus.STOPPING, previous)
    assert (stopping["status"], stopping["previousEnd"]) == ("STOPPING", "crash")
    assert (stopping["streams"], stopping["truncated"]) == ([], False)

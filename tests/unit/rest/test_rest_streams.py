import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.node.descriptions import StreamTraffic
from protocol.node.filters import StreamFilter
from protocol.rest.errors import RestError
from protocol.rest.resources.streams import (
    FILTER,
    NodeReport,
    StreamQuery,
    TerminateAnswer,
    parse_dry_run,
    parse_find,
    parse_terminate,
    preview,
    shown_stream,
    terminate_status,
)
from tests.support.web.stream_world import stream


def parse(body: Any) -> StreamFilter:
    return parse_terminate(json.dumps(body).encode(), allow_all=True)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"published": False}, StreamFilter(published=False)),
        ({"name": "streamName", "published": False}, StreamFilter(name="streamName", published=False)),
        ({"name": "streamName", "status": "PUBLISHING"}, StreamFilter(name="streamName", status="PUBLISHING")),
        (
            {"mediaSessionIds": ["41c3f621-a847-4639", "554916e0-931c-2479"]},
            StreamFilter(media_session_ids=frozenset({"41c3f621-a847-4639", "554916e0-931c-2479"})),
        ),
        ({"mediaSessionId": "41c3f621-a847-4639"}, StreamFilter(media_session_ids=frozenset({"41c3f621-a847-4639"}))),
        ({"name": 12345}, StreamFilter(name="12345")),
        ({"mediaSessionId": "a", "mediaSessionIds": ["b"]}, StreamFilter(media_session_ids=frozenset("ab"))),
        ({"mediaSessionId": "a", "mediaSessionIds": []}, StreamFilter(media_session_ids=frozenset("a"))),
        ({"mediaSessionIds": []}, StreamFilter(media_session_ids=frozenset())),
        ({"published": "false", "hasVideo": "true"}, StreamFilter(published=False, has_video=True)),
        (
            {"sessionId": "s", "appKey": "a", "hasAudio": False, "mediaProvider": "WebRTC", "nodeId": "n"},
            StreamFilter(session_id="s", app_key="a", has_audio=False, media_provider="WebRTC", node_id="n"),
        ),
        ({}, StreamFilter()),
    ],
)
def test_each_shape_of_a_terminate_filter(body: dict[str, Any], expected: StreamFilter) -> None:
    assert parse(body) == expected


FRACTIONS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())


@given(
    st.sampled_from([field.name for field in FILTER]),
    st.none() | FRACTIONS | st.just({}) | st.just([{}]) | st.just([True]),
)
def test_no_filter_key_takes_null_a_fraction_or_an_object(key: str, value: Any) -> None:
    with pytest.raises(RestError, match=key) as caught:
        parse({key: value})
    assert caught.value.key == key


@given(st.dictionaries(st.text(), st.none() | st.booleans() | st.text() | st.lists(st.text()), min_size=1))
def test_a_body_that_says_anything_never_means_everything(body: dict[str, Any]) -> None:
    try:
        query = parse(body)
    except RestError:
        return
    assert not query.is_everything


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(RestError, match="did you mean 'mediaSessionIds'") as caught:
        parse({"name": "a", "mediaSessionsIds": ["x"]})
    assert caught.value.key == "mediaSessionsIds"


def test_the_empty_filter_can_be_forbidden() -> None:
    with pytest.raises(RestError) as caught:
        parse_terminate(b"{}", allow_all=False)
    assert caught.value.setting == "rest.terminate_all"
    assert caught.value.status_hint == 400


def test_a_filter_that_matches_nothing_is_not_the_empty_filter() -> None:
    assert parse_terminate(b'{"mediaSessionIds": []}', allow_all=False) == StreamFilter(media_session_ids=frozenset())


@pytest.mark.parametrize(
    ("parameters", "expected"), [({}, False), ({"dry_run": "true"}, True), ({"dry_run": "false"}, False)]
)
def test_a_dry_run_is_asked_for_in_the_query_string(parameters: dict[str, str], expected: bool) -> None:
    assert parse_dry_run(parameters) is expected


@pytest.mark.parametrize("parameters", [{"dry_run": "yes"}, {"dry_run": ""}, {"dryrun": "true"}, {"dryRun": "true"}])
def test_a_mistyped_dry_run_is_refused(parameters: dict[str, str]) -> None:
    with pytest.raises(RestError):
        parse_dry_run(parameters)


def test_find_takes_the_filter_the_page_and_metrics() -> None:
    query = parse_find({"name": "a", "display": ["metrics"], "offset": 1, "limit": "2"})
    assert query.filter == StreamFilter(name="a")
    assert query.metrics
    assert query.page.of(("a", "b", "c", "d")) == ("b", "c")


@pytest.mark.parametrize("display", [["metric"], ["metrics", "sdp"], "metrics", None])
def test_display_knows_metrics_only(display: Any) -> None:
    with pytest.raises(RestError, match="display"):
        parse_find({"display": display})


def test_everything_is_on_the_first_page() -> None:
    query: StreamQuery = parse_find({})
    assert query.page.of(tuple(range(5))) == tuple(range(5))
    assert not query.metrics


def answer(*nodes: NodeReport) -> TerminateAnswer:
    return TerminateAnswer(nodes=nodes)


def report(*ids: str, all_stopped: bool = True) -> NodeReport:
    return NodeReport(node_id="n", count=len(ids), all_stopped=all_stopped)


def test_terminate_is_404_only_when_no_node_had_a_match() -> None:
    assert terminate_status(answer()) == 404
    assert terminate_status(answer(report(), report())) == 404
    assert terminate_status(answer(report(), report("a"))) == 200


def test_terminate_is_200_even_when_a_stream_is_late() -> None:
    late = answer(report("a"), report("b", "c", all_stopped=False))
    assert terminate_status(late) == 200
    assert not late.all_stopped
    assert late.count == 3


def test_a_preview_shows_every_match_with_its_cascade() -> None:
    nodes = [NodeReport.preview("n", (stream(each, viewers=2),)) for each in ("a", "b")]
    shown = preview(answer(*nodes))
    assert [(each["mediaSessionId"], each["cascade"]) for each in shown] == [("a", 2), ("b", 2)]


def test_the_shown_stream_has_the_names_of_wcs_and_no_custom_data() -> None:
    shown = shown_stream(stream("m", published=False, status="PLAYING", video_codec="H264", create_date=5))
    assert shown["mediaSessionId"] == "m"
    assert shown["mediaType"] == "play"
    assert shown["published"] is False
    assert shown["videoCodec"] == "H264"
    assert shown["audioCodec"] is None
    assert shown["createDate"] == 5
    assert shown["transport"] == "UDP"
    assert not shown.keys() & {"custom", "metrics"}


def test_metrics_are_shown_when_asked_for_and_known() -> None:
    traffic = StreamTraffic(packets=9, bytes=900, bitrate_kbps=512, lost=3, nacks=2, plis=1)
    video = stream("m", traffic=traffic, width=640, height=360, video_codec="VP8", audio_codec="OPUS")
    assert shown_stream(video, metrics=True)["metrics"] == {
        "VIDEO_RATE": 512_000,
        "VIDEO_LOST": 3,
        "VIDEO_WIDTH": 640,
        "VIDEO_HEIGHT": 360,
        "VIDEO_NACK": 2,
        "VIDEO_PLI": 1,
        "VIDEO_CODEC": "VP8",
        "AUDIO_CODEC": "OPUS",
    }
    audio = stream("m", traffic=traffic, has_video=False, audio_codec="OPUS")
    assert shown_stream(audio, metrics=True)["metrics"] == {
        "AUDIO_RATE": 512_000,
        "AUDIO_LOST": 3,
        "AUDIO_CODEC": "OPUS",
    }
    assert "metrics" not in shown_stream(stream("m"), metrics=True)

import re
from http import HTTPStatus
from typing import Any

import pytest

from protocol.node.filters import ConnectionFilter
from protocol.rest.errors import RestError, bad_request, error_body, exception_name, names_problem_json, rest_error_body
from protocol.rest.resources.connections import connection_object, parse_find, parse_terminate
from protocol.rest.resources.stat import StatFormat, stat_format, stat_json, stat_text
from protocol.rest.unsupported import instead_of
from tests.support.web.stream_world import connection


def test_whom_to_disconnect() -> None:
    assert parse_terminate(b'{"sessionId": "s"}') == ConnectionFilter(session_id="s")
    assert parse_terminate(b'{"appKey": "a", "clientVersion": "2"}') == ConnectionFilter(
        app_key="a", client_version="2"
    )


@pytest.mark.parametrize("body", [b"", b"{}", b'{"sessionID": "s"}', b'{"sessionId": null}', b'{"sessionId": ["s"]}'])
def test_nobody_is_disconnected_by_a_body_that_is_not_understood(body: bytes) -> None:
    with pytest.raises(RestError) as caught:
        parse_terminate(body)
    assert caught.value.status_hint == 400


def test_connections_are_found_by_filter_and_page() -> None:
    query = parse_find({"appKey": "a", "limit": 1})
    assert query.filter == ConnectionFilter(app_key="a")
    assert query.page.of((1, 2)) == (1,)
    assert parse_find({}).filter.is_everything


def test_the_connection_object_has_the_names_of_wcs_and_no_custom_data() -> None:
    shown = connection_object(connection("s", client_os_version="Linux", media_providers=("WebRTC", "WSPlayer")))
    assert shown["sessionId"] == "s"
    assert shown["clientOSVersion"] == "Linux"
    assert shown["mediaProviders"] == ["WebRTC", "WSPlayer"]
    assert "custom" not in shown


def read_as_the_sdk_does(text: str) -> dict[str, dict[str, str]]:
    """The reader of the SDK's rest-module, in Python."""
    groups: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for line in filter(None, text.split("\n")):
        if line.startswith("-"):
            head = re.search(r"[A-Za-z]+", line)
            assert head
            current = groups.setdefault(head.group().lower(), {})
        else:
            key, _, value = line.partition("=")
            current[key] = value
    return groups


def test_statistics_are_read_back_by_the_sdk() -> None:
    groups: dict[str, dict[str, int | str]] = {
        "connection": {"connections": 3, "connections_websocket": 3},
        "stream": {"streams_webrtc_in": 1},
        "media": {"sender": "fast", "sender_reason": "passed its test"},
    }
    read = read_as_the_sdk_does(stat_text(groups, {}))
    assert read == {group: {key: str(value) for key, value in values.items()} for group, values in groups.items()}
    assert stat_text(groups, {}).startswith("-----Connection Stats-----\nconnections=3\n")


def test_a_text_of_several_lines_makes_no_lines_of_its_own() -> None:
    assert stat_text({"media": {"sender_reason": "no\n-----Forged\r\nkey=1"}}, {}).endswith("=no -----Forged key=1\n")


@pytest.mark.parametrize("group", ["", "native_resources", "a b", "größe"])
def test_a_group_that_the_sdk_would_misread_is_refused(group: str) -> None:
    with pytest.raises(ValueError, match="letters only"):
        stat_text({group: {}}, {})


@pytest.mark.parametrize(
    ("method", "instead"),
    [
        ("call/transfer", "/call/find"),
        ("mixer/add", "/multipleRecorder/startup"),
        ("pull/pull", "/rtsp/startup"),
        ("pull/push", "/push/startup"),
        ("cdn/stream/access_list/add", "cluster.redis_url"),
        ("hls/find_all", "/embed_player"),
        ("vod/startup", "vod-live://FILE"),
        ("stream/inject/startup", "a room"),
    ],
)
def test_methods_of_wcs_that_we_do_not_have_and_what_serves_instead(method: str, instead: str) -> None:
    assert instead in (instead_of(method) or "")


@pytest.mark.parametrize("method", ["", "stream", "stream/find", "stream/snapshots", "callx/startup", "pull/rtmp/x"])
def test_other_methods(method: str) -> None:
    assert instead_of(method) is None


def problem_of(status: int, name: str) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    wcs = {"exception": name, "reason": "why", "path": "/p"}
    return wcs | {"type": "about:blank", "title": title, "status": status, "detail": "why"}


@pytest.mark.parametrize(
    ("status", "name"),
    [(400, "BadRequest"), (404, "NotFound"), (405, "MethodNotAllowed"), (500, "InternalServerError")],
)
def test_an_exception_is_named_after_its_status(status: int, name: str) -> None:
    assert exception_name(status) == name
    assert error_body(status, "why", "/p") == problem_of(status, name)


def test_an_error_names_its_key_and_setting() -> None:
    body = rest_error_body(bad_request("why", key="name", setting="rest.x"), "/p")
    assert body == problem_of(400, "BadRequest") | {"key": "name", "setting": "rest.x"}


@pytest.mark.parametrize(
    "accept",
    [
        "application/problem+json",
        "text/html, Application/Problem+JSON;q=0.5",
        "a/b,application/problem+json ; q=1.0",
    ],
)
def test_accept_names_problems(accept: str) -> None:
    assert names_problem_json(["text/plain", accept])


@pytest.mark.parametrize(
    "accept", ["", "*/*", "application/json", "application/problem+xml", "application/problem+json;q=0.000", ";,;"]
)
def test_accept_does_not_name_problems(accept: str) -> None:
    assert not names_problem_json([accept])


GROUPS: dict[str, dict[str, int | str]] = {
    "connection": {"connections": 3},
    "stream": {"streams_webrtc_in": 1},
    "media": {"sender": "fast"},
}


@pytest.mark.parametrize("wanted", ["stream,media", "streams_stats, media_stats", "stream,media,port_stats"])
def test_statistics_can_be_chosen_by_group(wanted: str) -> None:
    assert stat_text(GROUPS, {"groups": wanted}) == (
        "-----Stream Stats-----\nstreams_webrtc_in=1\n-----Media Stats-----\nsender=fast\n"
    )
    assert stat_json(GROUPS, {"groups": wanted}) == {
        "streams_stats": {"streams_webrtc_in": 1},
        "media_stats": {"sender": "fast"},
    }


def test_statistics_as_json_have_the_group_names_of_newer_servers() -> None:
    assert stat_json(GROUPS, {}).keys() == {"connections_stats", "streams_stats", "media_stats"}
    assert stat_json(GROUPS, {"groups": "transcoding_stats"}) == {
        "transcoding_stats": {"transcoding_video_full_info": {}}
    }


def test_a_format_of_statistics_that_there_is_not_is_refused() -> None:
    assert [stat_format({"format": each}) for each in StatFormat] == list(StatFormat)
    assert stat_format({}) is StatFormat.TEXT
    with pytest.raises(RestError, match="format"):
        stat_format({"format": "xml"})

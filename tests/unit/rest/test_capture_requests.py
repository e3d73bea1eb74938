"""The requests of `/rtsp` and `/pull/rtmp`: what is not exactly understood is refused, and says which field."""

import json

import pytest

from protocol.capture.uri import RTMP_SCHEMES, RTSP_SCHEMES
from protocol.rest.errors import RestError
from protocol.rest.fields import FieldTable
from protocol.rest.resources import captures


@pytest.mark.parametrize(
    ("table", "body", "key"),
    [
        (captures.RTSP_STARTUP, {}, "uri"),
        (captures.RTSP_STARTUP, {"uri": "rtmp://a.example/live"}, "uri"),
        (captures.RTSP_STARTUP, {"uri": "rtsp://a b/"}, "uri"),
        (captures.RTSP_STARTUP, {"uri": "rtsp://a.example/", "stream": "x"}, "stream"),
        (captures.RTSP_STARTUP, {"uri": "rtsp://a.example/", "toStream": "a\nb"}, "toStream"),
        (captures.PULL, {"uri": "rtsp://a.example/"}, "uri"),
        (captures.PULL, {"uri": "rtmp://a.example/", "record": "true"}, "record"),
    ],
)
def test_what_cannot_be_captured_is_refused(table: FieldTable, body: dict[str, str], key: str) -> None:
    schemes = RTMP_SCHEMES if table is captures.PULL else RTSP_SCHEMES
    with pytest.raises(RestError) as refused:
        captures.parse_startup(json.dumps(body).encode(), table, schemes)
    assert refused.value.key == key
    assert refused.value.status_hint == 400


def test_a_stream_is_called_as_asked_or_as_its_source() -> None:
    uri = "rtsp://a.example/"
    named = json.dumps({"uri": uri, "toStream": "lobby"}).encode()
    plain = json.dumps({"uri": uri}).encode()
    names = [captures.parse_startup(body, captures.RTSP_STARTUP, RTSP_SCHEMES).name for body in (named, plain)]
    assert names == ["lobby", uri]


def test_record_may_be_false_as_the_sdk_writes_it() -> None:
    body = json.dumps({"uri": "rtmp://a.example/live", "localStreamName": "one", "record": "false"}).encode()
    assert captures.parse_startup(body, captures.PULL, RTMP_SCHEMES).name == "one"


def test_a_terminate_names_its_source() -> None:
    assert captures.parse_terminate(b'{"uri": "rtmp://a/b"}', captures.PULL_TERMINATE) == "rtmp://a/b"
    with pytest.raises(RestError):
        captures.parse_terminate(b'{"uri": ""}', captures.PULL_TERMINATE)

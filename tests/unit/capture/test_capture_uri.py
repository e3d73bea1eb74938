"""URIs of sources: what is read in them, and which nobody may capture."""

import pytest

from protocol.capture.uri import BadCaptureUri, CaptureScheme, is_capture_name, read_capture_uri
from tests.support.capture.hostile_uris import MALFORMED, NO_SOURCE, OUT_OF_REACH


@pytest.mark.parametrize(
    ("name", "scheme", "host", "port"),
    [
        ("rtsp://camera.example/live", CaptureScheme.RTSP, "camera.example", 554),
        ("RTSP://user:p%40ss@Camera.Example.:8554/a/b?channel=1&subtype=0", CaptureScheme.RTSP, "camera.example", 8554),
        (
            "rtsp://192.168.1.20/user=admin_password=x_channel=1.sdp?real_stream",
            CaptureScheme.RTSP,
            "192.168.1.20",
            554,
        ),
        ("rtsps://[2001:DB8::0:1]/x", CaptureScheme.RTSPS, "2001:db8::1", 322),
        ("rtmp://host_1/live/x", CaptureScheme.RTMP, "host_1", 1935),
        ("rtmps://host/live/x", CaptureScheme.RTMPS, "host", 443),
        ("http://host/a/b.m3u8?token=x", CaptureScheme.HTTP, "host", 80),
        ("https://host:8443/b.M3U8", CaptureScheme.HTTPS, "host", 8443),
        ("rtsp://host", CaptureScheme.RTSP, "host", 554),
    ],
)
def test_host_and_port_are_read(name: str, scheme: CaptureScheme, host: str, port: int) -> None:
    uri = read_capture_uri(name)
    assert (uri.scheme, uri.host, uri.port, uri.text) == (scheme, host, port, name)
    assert not uri.is_file


@pytest.mark.parametrize("name", ["vod://sample.mp4", "vod-live://folder/sample 1.mp4".replace(" ", "_")])
def test_files_are_below_their_folder(name: str) -> None:
    uri = read_capture_uri(name)
    assert uri.is_file
    assert uri.file == name.partition("://")[2]


@pytest.mark.parametrize("name", ["lobby", "http://host/page", "rtsp:host", "", "://", "vodka://x", *NO_SOURCE])
def test_other_names_are_streams(name: str) -> None:
    assert not is_capture_name(name)
    with pytest.raises(BadCaptureUri):
        read_capture_uri(name)


@pytest.mark.parametrize("name", MALFORMED)
def test_what_two_readers_could_understand_differently_is_refused(name: str) -> None:
    assert is_capture_name(name)
    with pytest.raises(BadCaptureUri) as refused:
        read_capture_uri(name)
    assert name not in str(refused.value)


@pytest.mark.parametrize("option", ["udp", "multicast", "tcp", "a=1&udp", "?udp", "UDP", "filter_src"])
def test_words_that_choose_a_transport_are_told(option: str) -> None:
    assert read_capture_uri(f"rtsp://host/x?{option}").has_transport_option
    assert not read_capture_uri("rtsp://host/x?channel=udp").has_transport_option


def test_there_are_a_hundred_hostile_names() -> None:
    assert len({*MALFORMED, *NO_SOURCE, *OUT_OF_REACH}) >= 100


def test_a_uri_does_not_show_its_secrets() -> None:
    assert "secret" not in repr(read_capture_uri("rtsp://user:secret@host/x?key=secret"))

"""How names that are URIs are shown."""

import pytest

from protocol.capture.masking import masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://user:secret@host:554/live?key=secret&x=secret", "rtsp://***@host:554/live?key=***&x=***"),
        ("RTSP://user@host/x", "RTSP://***@host/x"),
        ("rtsp://host/live", "rtsp://host/live"),
        ("rtsp://u:se/cret@host/x", "rtsp://***@host/x"),
        ("rtsp://u:se@cret@host/x", "rtsp://***@host/x"),
        (
            "rtsp://host/user=admin&password=secret&channel=1.sdp?real",
            "rtsp://host/user=***&password=***&channel=***?real",
        ),
        (
            "cannot open rtmp://a:secret@b/c: 'https://x/y.m3u8?t=secret'",
            "cannot open rtmp://***@b/c: 'https://x/y.m3u8?t=***'",
        ),
        ("http://user:secret@host/page?next=1", "http://***@host/page?next=1"),
        ("rtsp://u:se cret\n@host/x", "rtsp://***@host/x"),
        ("lobby", "lobby"),
        ("a=b", "a=b"),
    ],
)
def test_what_may_be_secret_is_hidden(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked(shown) == shown

"""What a picture may be: its size, its bytes, its text."""

import base64

import pytest

from protocol.stream.pictures import MAX_WIDTH, Picture, PictureSpec, fitted, is_base64


@pytest.mark.parametrize(
    ("frame", "wanted", "size"),
    [
        ((640, 480), 0, (640, 480)),
        ((640, 480), 320, (320, 240)),
        ((640, 480), 1000, (640, 480)),
        ((8000, 4000), 0, (MAX_WIDTH, MAX_WIDTH // 2)),
        ((1000, 8192), 0, (500, MAX_WIDTH)),
        ((8192, 1), 16, (16, 1)),
    ],
)
def test_a_picture_is_as_wide_as_wanted_and_never_enlarged(
    frame: tuple[int, int], wanted: int, size: tuple[int, int]
) -> None:
    assert fitted(*frame, wanted) == size


@pytest.mark.parametrize("length", [1, 2, 3, 100])
def test_base64_is_known_and_its_length_is_bounded(length: int) -> None:
    text = base64.b64encode(bytes(length))
    assert is_base64(text)
    assert len(text) == PictureSpec(max_bytes=length).max_text
    assert Picture(data=text, width=1, height=1).text == text.decode()


@pytest.mark.parametrize("data", [b"", b'abc"', b"ab\n=", b"\xff", b"a b="])
def test_what_would_break_json_is_no_base64(data: bytes) -> None:
    assert not is_base64(data)

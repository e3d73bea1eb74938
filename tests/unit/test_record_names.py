"""File names of recordings are safe, whatever a stream is called."""

import pytest

from protocol.stream.record_names import LONGEST, RecordFacts, file_stem, finished_stem


def facts(name: str) -> RecordFacts:
    return RecordFacts(
        stream_name=name, media_session_id="m1", session_id="s1", start=1, audio_codec="OPUS", video_codec=None
    )


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("news", "news"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("-.hidden", "hidden"),
        (".-.hidden", "hidden"),
        ("..", "m1"),
        ("-", "m1"),
        ("a\r\n\0b", "a___b"),
        ("{endTime}", "_endTime_"),
        ("ü" * 200, "ü" * (LONGEST // 2)),
    ],
)
def test_what_a_stream_is_called_makes_a_safe_name(name: str, stem: str) -> None:
    assert file_stem("{streamName}", facts(name)) == stem


def test_a_name_stays_short_when_its_end_becomes_known() -> None:
    assert len(finished_stem("{endTime}" * 20, 1_700_000_000_000, 1_700_000_000_000)) <= LONGEST

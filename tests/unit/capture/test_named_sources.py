"""Sources that have names, and their file."""

from collections.abc import Callable

import pytest

from config.tables.sources_file import SourceFileError, read_sources, write_sources
from protocol.capture.named_sources import NamedSource, SourceError, SourceTable, entries
from tests.support.capture.hostile_uris import MALFORMED, NO_SOURCE

LOBBY = NamedSource(name="lobby", uri="rtsp://admin:s3cret@camera.example/live?key=s3cret")
GATE = NamedSource(name="the gate", uri="vod-live://gate.mp4")


def test_what_is_shown_of_a_source_has_no_secret() -> None:
    assert entries([LOBBY]) == [{"name": "lobby", "uri": "rtsp://***@camera.example/live?key=***"}]
    assert "s3cret" not in f"{LOBBY!r} {SourceTable((LOBBY,))!r}"


@pytest.mark.parametrize("uri", [*MALFORMED, *NO_SOURCE, "", "lobby", "wss://host/x"])
def test_a_name_stands_for_a_valid_uri_only(uri: str) -> None:
    with pytest.raises(SourceError, match=r"^uri: "):
        NamedSource(name="lobby", uri=uri)


@pytest.mark.parametrize("name", ["", "-x", " x", "x ", "a\nb", "rtsp://u:s3cret@host/x", "x" * 129])
def test_names_are_what_pages_can_play_and_operators_can_type(name: str) -> None:
    with pytest.raises(SourceError, match=r"^name: ") as refused:
        NamedSource(name=name, uri=GATE.uri)
    assert "s3cret" not in str(refused.value)


def test_sources_are_added_changed_and_removed() -> None:
    table = SourceTable().added(LOBBY).added(GATE)
    assert table.by_name("lobby") == LOBBY
    other = NamedSource(name="lobby", uri="rtsp://other.example/x")
    with pytest.raises(SourceError, match="is there already"):
        table.added(other)
    assert table.replaced(other).known("lobby") == other
    assert table.without("lobby").sources == (GATE,)
    with pytest.raises(SourceError, match="did you mean 'lobby'"):
        table.known("loby")


def test_the_file_holds_the_table() -> None:
    table = SourceTable((LOBBY, GATE))
    assert read_sources(write_sources(table), file_name="f") == table
    assert read_sources(write_sources(SourceTable()), file_name="f") == SourceTable()


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (replaced("rtsp://", "file://"), "f:7: uri: is not the URI of a source"),
        (replaced('name = "lobby"\n', ""), "f:5: name: is missing"),
        (replaced("uri =", "url ="), "f:7: url: unknown key (did you mean 'uri'?)"),
        (replaced('"the gate"', '"lobby"'), "f: name: two sources have the same name"),
        (replaced("format = 1", "format = 2"), "f: 'format = 1' is missing: not a whole file of sources"),
        (replaced("[[source]]", "[source]"), "f:"),
        (replaced('"lobby"', "5"), "f:6: name: must be text"),
        (lambda _: "\n\nformat", "f:3: "),
        (lambda text: text + "[[camera]]\n", "f: unknown key 'camera'"),
        (lambda _: 'format = 1\nsource = "x"\n', "f: sources are written [[source]]"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(change: Callable[[str], str], told: str) -> None:
    with pytest.raises(SourceFileError) as refused:
        read_sources(change(write_sources(SourceTable((LOBBY, GATE)))), file_name="f")
    assert str(refused.value).startswith(told)
    assert "s3cret" not in str(refused.value)

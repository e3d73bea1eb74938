"""What a server leaves behind for its next start: that it runs, and which streams are open.

The file has a head and a line for each open stream. A server that stops in order removes it; one that finds it follows
a crash.
"""

import json
from collections.abc import Iterable
from typing import Any, Final

from attrs import frozen

from protocol.node.descriptions import StreamIdentity

MAX_STREAMS: Final = 10_000
"""Streams that the file holds."""
MAX_LINE: Final = 2048
"""Bytes of a line; a stream with a longer one, because of its name, is left out."""


@frozen(kw_only=True)
class LeftStream:
    """A stream that was open when the server crashed."""

    app_key: str
    session_id: str
    media_session_id: str
    name: str
    published: bool


@frozen(kw_only=True)
class PreviousRun:
    """How the run before ended. `truncated`: more streams were open than are told."""

    is_crash: bool = False
    streams: tuple[LeftStream, ...] = ()
    truncated: bool = False


def encode_head(count: int, *, truncated: bool) -> bytes:
    """The first line; `count` others follow. `truncated`: streams are open that have no line."""
    return json.dumps({"version": 1, "streams": count, "truncated": truncated}, separators=(",", ":")).encode() + b"\n"


def encode_stream(stream: StreamIdentity) -> bytes | None:
    """The line of an open stream; None if it would be too long."""
    fields = [stream.app_key, stream.session_id, stream.media_session_id, stream.name, stream.published]
    line = json.dumps(fields, separators=(",", ":")).encode() + b"\n"
    return line if len(line) <= MAX_LINE else None


def read_record(data: bytes) -> PreviousRun:
    """What the file tells that a server left behind. Whatever of it cannot be read counts as left out."""
    head, *lines = data.split(b"\n")
    streams = tuple(_streams(lines[:MAX_STREAMS]))
    match _parsed(head):
        case {"streams": int(count), "truncated": False}:
            truncated = len(streams) != count
        case _:
            truncated = True
    return PreviousRun(is_crash=True, streams=streams, truncated=truncated)


def _streams(lines: Iterable[bytes]) -> Iterable[LeftStream]:
    for line in lines:
        match _parsed(line):
            case [str(app), str(session), str(media_session), str(name), bool(published)]:
                yield LeftStream(
                    app_key=app, session_id=session, media_session_id=media_session, name=name, published=published
                )


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None

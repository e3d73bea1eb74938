"""Recordings that belong together, as WCS's multi-recorder has them: each publication in files of its own.

When the group ends, a JSON file beside them tells which there are, and when each begins. All are on the plane's clock,
which each publisher's own is aligned to by its sender reports.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from attrs import frozen

from actors.node.ports.recorder import TellStatus
from actors.workers.recording.record_folder import RecordFolder
from actors.workers.recording.recording import Recording
from protocol.stream.record_names import RecordFacts, file_stem
from protocol.stream.record_status import RecordNotice, RecordStatus

JSON: Final = ".json"


@frozen(kw_only=True)
class GroupedFile:
    """A finished file of a member; `facts` of its recording."""

    facts: RecordFacts
    notice: RecordNotice


class RecordGroup:
    """See above. `uri` names it; `start` in milliseconds since the epoch."""

    def __init__(self, uri: str, folder: RecordFolder, start: int) -> None:
        self.uri = uri
        self.stem = file_stem("{streamName}", _named(uri, start))
        self.file_name = folder.reserve(self.stem, JSON)
        """Of the JSON file."""
        self.members: dict[str, Recording] = {}
        """By the publications' ids; those that run, and those that have ended."""
        self._start = start
        self._files: list[GroupedFile] = []

    @property
    def running(self) -> list[str]:
        """The publications that are being recorded."""
        return [id_ for id_, recording in self.members.items() if not recording.is_ending]

    def hearing(self, tell: TellStatus, facts: RecordFacts) -> Callable[[RecordNotice], None]:
        """`tell`, which also notes the files of a member."""

        def heard(notice: RecordNotice) -> None:
            if notice.status is RecordStatus.FINISHED:
                self._files.append(GroupedFile(facts=facts, notice=notice))
            tell(notice)

        return heard

    def listing(self) -> bytes:
        """The JSON: `offset` and `duration` in milliseconds, the first file has offset 0; null: not known."""
        starts = [each.notice.start for each in self._files if each.notice.start]
        files = sorted(self._files, key=lambda each: each.notice.start)
        content = {
            "uri": self.uri,
            "startTime": self._start,
            "files": [_entry(each, min(starts, default=0.0)) for each in files],
        }
        return json.dumps(content, indent=2).encode() + b"\n"


def _entry(file: GroupedFile, first: float) -> dict[str, Any]:
    facts, notice = file.facts, file.notice
    return {
        "fileName": notice.file_name,
        "mediaSessionId": facts.media_session_id,
        "name": facts.stream_name,
        "offset": round((notice.start - first) * 1000) if notice.start else None,
        "duration": notice.duration,
        "size": notice.size,
    }


def _named(uri: str, start: int) -> RecordFacts:
    return RecordFacts(
        stream_name=uri, media_session_id="group", session_id="", start=start, audio_codec=None, video_codec=None
    )

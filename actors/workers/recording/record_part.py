"""One file of a recording: its name, while it is written and in the end, and what is known of its content."""

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import trio

from actors.node.ports.recorder import TellStatus
from actors.runtime.logs import get_logger
from actors.workers.recording.record_folder import MATROSKA, MP4, WEBM, DiskLimits, RecordFolder
from protocol.containers.matroska import is_webm
from protocol.stream.record_names import RecordFacts, file_stem

log = get_logger("workers")


class RecordPart:
    """See above. `facts.start` and the codecs in `facts` are those of the file."""

    def __init__(self, folder: RecordFolder, template: str, facts: RecordFacts, tell: TellStatus) -> None:
        self.facts = facts
        self.tell = tell
        self.ending = ending_of({codec for codec in (facts.audio_codec, facts.video_codec) if codec is not None})
        self.running_name = folder.reserve(file_stem(template, facts), self.ending)
        """The file's name until its end is known."""
        self.final = ""
        """Its name in the end; empty until `settle`."""
        self.bytes = self.duration_ms = 0
        self.start = 0.0
        """Of its first frame, in seconds of the plane's clock; 0: not known."""
        self.file: Path | None = None
        """The finished file; None until then, and if there is none."""
        self.delivered = trio.Event()
        """The backend was told of the file, or there is none."""
        self._folder = folder
        self._template = template
        self._is_open = False

    @property
    def becomes_mp4(self) -> bool:
        """Whether its file is one that is to be turned into an MP4."""
        return self.ending == MP4 and self.file is not None

    def open(self, limits: DiskLimits) -> int:
        """Make the file; its descriptor. For a thread. Raises RecordingRefused or OSError."""
        descriptor = self._folder.open_part(self.running_name, limits)
        self._is_open = True
        return descriptor

    def take_figures(self, figures: Mapping[str, Any]) -> None:
        """What the process tells of it."""
        size = _number(figures.get("bytes"), self.bytes)
        self._folder.note_written(size - self.bytes)
        self.bytes = size
        self.duration_ms = _number(figures.get("duration_ms"), self.duration_ms)
        start = figures.get("start")
        self.start = (start if isinstance(start, float) else 0.0) or self.start

    def settle(self, end: int) -> str:
        """It ends now, in milliseconds since the epoch; the name that the file will have. Idempotent."""
        if not self.final:
            stem = file_stem(self._template, self.facts, end)
            is_same = stem == file_stem(self._template, self.facts)
            self.final = self.running_name if is_same else self._folder.reserve(stem, self.ending)
        return self.final

    async def complete(self, *, is_whole: bool) -> None:
        """Make `file` of what was written; nothing, if nothing was. After `settle`; idempotent."""
        is_open, self._is_open = self._is_open, False
        written = _as_written(self.final)
        finish = partial(self._folder.finish, self.running_name, written, is_whole=is_whole)
        try:
            if is_open and await trio.to_thread.run_sync(finish):
                self.file = self._folder.path / written
        except OSError as error:
            log.error("recording cannot be finished", crash=None, error=str(error), file=self.final)
        finally:
            self._folder.release(self.running_name)
            self._folder.release(self.final)


def ending_of(codecs: Collection[str]) -> str:
    """Of the file that these make: browsers play WebM, and H264 with Opus in an MP4; the rest is for other players."""
    if is_webm(tuple(codecs)):
        return WEBM
    return MP4 if set(codecs) <= {"H264", "OPUS"} else MATROSKA


def _as_written(name: str) -> str:
    """The name of the file before it is turned into an MP4."""
    return name.removesuffix(MP4) + MATROSKA if name.endswith(MP4) else name


def _number(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise

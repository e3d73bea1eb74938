"""A recording: the messages of a tap in, what is to be written to its files out; one file after the other.

The next file begins when the one before has the size or the length of a rotation, with a key frame, or when the tap's
tracks change (a new INFO). Every frame is in exactly one of them: those that were taken before that key frame are
waited for, so that late sound comes into its own file.
"""

from collections.abc import Sequence
from typing import Final

from protocol.containers.recording_file import FileOutput, RecordingFile
from protocol.containers.timeline import MOST_HELD, Placed, Timeline
from protocol.stream.rotation import Rotation
from protocol.taps import RecordKind, TapRecord, read_info, read_message

CATCH_UP: Final = 1.0
"""Seconds that the other tracks are waited for, once the key frame of the next file has come."""
LEAD_MS: Final = 1000
LEAD_SHARE: Final = 0.9
"""The next file is wanted this long, or at this share of a size, before it begins."""
NEVER: Final = Rotation()


class RecordingSeries:
    """See above. Call `flush` every half second or so, and `finish` once.

    Both are told with `has_next` whether the next file is there to be written to. Once they gave a FileOutput that
    `ends` a file, that one is used up. A file of which nothing was written is no file.
    """

    def __init__(self, rotation: Rotation = NEVER) -> None:
        self.timeline = Timeline()
        """Of the tracks that come now."""
        self.newest = 0.0
        """When the last record was made, on the plane's clock."""
        self._rotation = rotation
        self._file: RecordingFile | None = None
        self._past: list[Timeline] = []
        """Of tracks that came before, and whose last frames are not written yet."""
        self._figures = [0, 0, 0]
        self._pending: list[Placed] = []
        """Frames of the next file, while others of this one may come."""
        self._cut: float | None = None
        self._cut_at = 0.0

    # -- figures -------------------------------------------------------------------------------------------------

    @property
    def packets(self) -> int:
        return self._figures[0] + sum(each.packets for each in self._timelines)

    @property
    def lost(self) -> int:
        return self._figures[1] + sum(each.lost for each in self._timelines)

    @property
    def malformed(self) -> int:
        return self._figures[2] + sum(each.malformed for each in self._timelines)

    @property
    def length(self) -> int:
        """Bytes of the file so far."""
        return 0 if self._file is None else self._file.length

    @property
    def duration(self) -> int:
        """Milliseconds of the file so far."""
        return 0 if self._file is None else self._file.duration

    @property
    def start(self) -> float:
        """When the file's first frame was taken, in seconds of the plane's clock; 0 before there is one."""
        return 0.0 if self._file is None else self._file.start

    @property
    def codecs(self) -> tuple[str, ...]:
        """Of the tracks that come now."""
        return tuple(track.codec for track in self.timeline.formats)

    @property
    def ended(self) -> bool:
        return self.timeline.ended

    @property
    def wants_next(self) -> bool:
        """Whether another file will be needed soon."""
        if self._past:
            return True
        most, longest = self._rotation.max_bytes, self._rotation.max_ms
        return (most is not None and self.length >= most * LEAD_SHARE) or (
            longest is not None and self._file is not None and self.duration >= longest - LEAD_MS
        )

    @property
    def wants_cut(self) -> bool:
        """Whether the next file is due, and only a key frame is missing."""
        return self._cut is None and self._file is not None and self._is_due(self.duration)

    # -- in ------------------------------------------------------------------------------------------------------

    def feed(self, message: memoryview) -> None:
        """A message of the tap. Raises TapError for one that it could not have sent."""
        for record in read_message(message):
            self.newest = record.time
            if record.kind is RecordKind.INFO:
                self._note_tracks(record)
            self.timeline.take_record(record)

    def _note_tracks(self, record: TapRecord) -> None:
        formats = self.timeline.formats
        if formats and formats != read_info(record.body):
            self._past.append(self.timeline)
            self.timeline = Timeline()

    # -- out -----------------------------------------------------------------------------------------------------

    def flush(self, now: float, *, has_next: bool = False) -> list[FileOutput]:
        """What to write at `now` (the plane's clock)."""
        if self._past:
            return self._change_tracks(has_next=has_next)
        return self._write(self.timeline.take(now), now, has_next=has_next)

    def finish(self, *, has_next: bool = False) -> list[FileOutput]:
        """All that is left. Nothing comes any more. No file ends for its size or length now.

        Without a next file, frames of other tracks than the file's are lost.
        """
        outputs = self._change_tracks(has_next=has_next) if self._past else []
        if self._past:
            return [*outputs, *self._end_file()]
        outputs += self._write(self.timeline.rest(), self.newest, has_next=False)
        outputs.append(self._to_file(self.timeline, self._take_pending()))
        return [*outputs, *self._end_file()]

    @property
    def _timelines(self) -> Sequence[Timeline]:
        return (*self._past, self.timeline)

    def _change_tracks(self, *, has_next: bool) -> list[FileOutput]:
        """The rest of the tracks that were before; then, when there is a next file, the end of theirs."""
        past = self._past[0]
        outputs = self._write(past.rest(), self.newest, has_next=False)
        if self._cut is not None:
            outputs.append(self._to_file(past, self._take_pending()))
        if not has_next or _uses_next(outputs):
            return outputs
        del self._past[0]
        for place, count in enumerate((past.packets, past.lost, past.malformed)):
            self._figures[place] += count
        return [*outputs, *(self._end_file() or [FileOutput(ends=True)])]

    def _write(self, frames: Sequence[Placed], now: float, *, has_next: bool) -> list[FileOutput]:
        timeline = self._timelines[0]
        if self._cut is None and has_next:
            self._look_for_cut(frames, now)
        if self._cut is None:
            return [self._to_file(timeline, frames)]
        cut = self._cut
        self._pending += [placed for placed in frames if placed.time >= cut]
        outputs = [self._to_file(timeline, [placed for placed in frames if placed.time < cut])]
        return outputs + (self._begin_next() if self._has_caught_up(now) else [])

    def _look_for_cut(self, frames: Sequence[Placed], now: float) -> None:
        file, formats = self._file, self.timeline.formats
        if file is None:
            return
        for placed in frames:
            may_begin = placed.frame.is_key and formats[placed.track].is_video is file.has_video
            if may_begin and self._is_due(round((placed.time - file.base) * 1000)):
                self._cut, self._cut_at = placed.time, now
                return

    def _is_due(self, duration: int) -> bool:
        most, longest = self._rotation.max_bytes, self._rotation.max_ms
        return (most is not None and self.length >= most) or (longest is not None and duration >= longest)

    def _has_caught_up(self, now: float) -> bool:
        if now - self._cut_at >= CATCH_UP or sum(len(each.frame.data) for each in self._pending) > MOST_HELD:
            return True
        return self._file is not None and {placed.track for placed in self._pending} >= self._file.tracks

    def _begin_next(self) -> list[FileOutput]:
        outputs = self._end_file()
        return [*outputs, self._to_file(self.timeline, self._take_pending())]

    def _take_pending(self) -> list[Placed]:
        pending, self._pending, self._cut = self._pending, [], None
        return sorted(pending, key=lambda placed: placed.time)

    def _to_file(self, timeline: Timeline, frames: Sequence[Placed]) -> FileOutput:
        if not frames:
            return FileOutput()
        if self._file is None:
            self._file = RecordingFile(timeline.formats, timeline.written_tracks, frames, timeline.base)
        return self._file.add(frames)

    def _end_file(self) -> list[FileOutput]:
        file, self._file = self._file, None
        return [] if file is None else [file.finish()]


def _uses_next(outputs: Sequence[FileOutput]) -> bool:
    return any(output.ends for output in outputs)

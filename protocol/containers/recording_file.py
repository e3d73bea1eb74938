"""A recording: the messages of a tap in, what is to be written to its file out."""

from collections.abc import Sequence

from protocol.containers.matroska import MatroskaTrack, MatroskaWriter, Patch
from protocol.containers.timeline import Placed, Timeline


class RecordingFile:
    """See above. Call `flush` every half second or so, and `finish` once."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self._writer: MatroskaWriter | None = None
        self._numbers: dict[int, int] = {}

    @property
    def length(self) -> int:
        """Bytes of the file so far."""
        return 0 if self._writer is None else self._writer.length

    @property
    def duration(self) -> int:
        """Milliseconds of the file so far."""
        return 0 if self._writer is None else self._writer.duration

    def flush(self, now: float) -> tuple[bytes, list[Patch]]:
        """What to append at `now` (the plane's clock), and then to write over."""
        return self._write(self.timeline.take(now))

    def finish(self) -> tuple[bytes, list[Patch]]:
        """All that is left. Nothing comes any more."""
        data, patches = self._write(self.timeline.rest())
        if self._writer is None:
            return data, patches
        data += self._writer.finish()
        return data, patches + self._writer.take_patches()

    def _write(self, frames: Sequence[Placed]) -> tuple[bytes, list[Patch]]:
        if not frames:
            return b"", []
        parts = []
        if self._writer is None:
            self._writer = self._open(frames)
            parts.append(self._writer.begin())
        for placed in frames:
            number = self._numbers.get(placed.track)
            if number is not None:
                parts.append(self._writer.add(number, placed.frame, round(placed.time * 1000)))
        return b"".join(parts), self._writer.take_patches()

    def _open(self, frames: Sequence[Placed]) -> MatroskaWriter:
        formats, tracks = self.timeline.formats, list[MatroskaTrack]()
        for index in self.timeline.written_tracks:
            first = next(placed.frame for placed in frames if placed.track == index)
            self._numbers[index] = len(tracks)
            tracks.append(MatroskaTrack(formats[index], first.width, first.height, first.setup))
        return MatroskaWriter(tuple(tracks))

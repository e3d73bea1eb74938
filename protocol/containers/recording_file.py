"""One file of a recording: frames in, what is to be written to it out."""

from collections.abc import Sequence
from typing import NamedTuple

from protocol.containers.matroska import MatroskaTrack, MatroskaWriter, Patch
from protocol.containers.timeline import Placed
from protocol.taps import TrackFormat


class FileOutput(NamedTuple):
    """What to append to a file, and then to write over. `ends`: nothing more comes, the rest is for the next file.

    `duration` (milliseconds) and `start` (seconds of the plane's clock) are those of a file that ends.
    """

    data: bytes = b""
    patches: Sequence[Patch] = ()
    ends: bool = False
    duration: int = 0
    start: float = 0.0


class RecordingFile:
    """See above. `tracks`: those of `formats` that it has. It begins with `frames`, the first of which is its zero.

    `zero`: where the frames' own zero is on the plane's clock, in seconds.
    """

    def __init__(
        self, formats: Sequence[TrackFormat], tracks: Sequence[int], frames: Sequence[Placed], zero: float
    ) -> None:
        self.has_video = any(formats[index].is_video for index in tracks)
        self.base = min(placed.time for placed in frames)
        """Where the file begins, on the clock of its frames."""
        self.start = zero + self.base
        """The same on the plane's clock, in seconds."""
        self._numbers = {index: number for number, index in enumerate(tracks)}
        self._writer = MatroskaWriter(tuple(_track(formats[index], index, frames) for index in tracks))
        self._head = self._writer.begin()

    @property
    def length(self) -> int:
        """Bytes so far."""
        return self._writer.length

    @property
    def duration(self) -> int:
        """Milliseconds so far."""
        return self._writer.duration

    @property
    def tracks(self) -> frozenset[int]:
        return frozenset(self._numbers)

    def add(self, frames: Sequence[Placed]) -> FileOutput:
        """Frames in the order of their times."""
        parts, self._head = [self._head], b""
        for placed in frames:
            number = self._numbers.get(placed.track)
            if number is not None:
                parts.append(self._writer.add(number, placed.frame, round(max(placed.time - self.base, 0.0) * 1000)))
        return FileOutput(b"".join(parts), self._writer.take_patches())

    def finish(self) -> FileOutput:
        """The last that is written to it."""
        data = self._writer.finish()
        return FileOutput(data, self._writer.take_patches(), ends=True, duration=self.duration, start=self.start)


def _track(track: TrackFormat, index: int, frames: Sequence[Placed]) -> MatroskaTrack:
    first = next((placed.frame for placed in frames if placed.track == index), None)
    return MatroskaTrack(track) if first is None else MatroskaTrack(track, first.width, first.height, first.setup)

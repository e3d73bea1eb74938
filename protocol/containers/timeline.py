"""All tracks of a tap, as long as they stay the same: its records in, frames on one clock out.

Frames are held until every track has a sender report, or HOLD seconds at most: then arrivals stand in.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from protocol.containers.clock import PublisherClock, TrackClock
from protocol.containers.frames import Frame
from protocol.containers.track_reader import TimedFrame, TrackReader
from protocol.taps import RecordKind, TapError, TapRecord, TrackFormat, read_info, read_report

HOLD: Final = 2.5
"""Seconds that the first frames wait for sender reports."""
MISSING_TRACK: Final = 10.0
"""Seconds that they wait for a track without any frame; then it is left out."""
MOST_HELD: Final = 32 << 20
"""Bytes of frames that wait; beyond that nobody waits any longer."""


class Placed(NamedTuple):
    """A frame of a track, and its time in seconds since the beginning."""

    track: int
    frame: Frame
    time: float


class Timeline:
    """Give it records; `take` gives what can be written."""

    def __init__(self) -> None:
        self.formats: tuple[TrackFormat, ...] = ()
        self.ended = False
        self._readers: list[TrackReader] = []
        self._clocks: list[TrackClock] = []
        self._held: list[TimedFrame] = []
        self._held_bytes = 0
        self._first_at: float | None = None
        self._seen: set[int] = set()
        self._left_out: set[int] = set()
        self._base: float | None = None

    # -- figures -------------------------------------------------------------------------------------------------

    @property
    def packets(self) -> int:
        return sum(reader.packets for reader in self._readers)

    @property
    def lost(self) -> int:
        return sum(reader.lost for reader in self._readers)

    @property
    def malformed(self) -> int:
        return sum(reader.malformed for reader in self._readers)

    def wants_key_frame(self) -> bool:
        """Whether a key frame is needed since the last call."""
        wanted = [reader for reader in self._readers if reader.wants_key_frame]
        for reader in wanted:
            reader.wants_key_frame = False
        return bool(wanted)

    # -- in ------------------------------------------------------------------------------------------------------

    def take_record(self, record: TapRecord) -> None:
        """A record of the tap. Raises TapError for one that it could not have sent."""
        if record.kind is RecordKind.INFO:
            if not self.formats:
                self._begin(read_info(record.body))
        elif record.kind is RecordKind.END:
            self.ended = True
        elif record.track >= len(self._readers):
            raise TapError("a record of a track that INFO does not have")
        elif record.kind is RecordKind.RTP:
            self._hold(self._readers[record.track].take(record))
        else:
            self._clocks[record.track].report(*read_report(record.body), record.time)

    def _begin(self, formats: tuple[TrackFormat, ...]) -> None:
        self.formats = formats
        publisher = PublisherClock()
        self._readers = [TrackReader(index, track) for index, track in enumerate(formats)]
        self._clocks = [TrackClock(track.clock_rate, publisher) for track in formats]

    def _hold(self, frames: Iterable[TimedFrame]) -> None:
        for frame in frames:
            if self._first_at is None:
                self._first_at = frame.arrival
            if frame.track not in self._left_out:
                self._seen.add(frame.track)
                self._held.append(frame)
                self._held_bytes += len(frame.frame.data)

    # -- out -----------------------------------------------------------------------------------------------------

    def take(self, now: float) -> list[Placed]:
        """What can be written at `now` (the plane's clock), in the order of its time."""
        for reader in self._readers:
            self._hold(reader.due(now))
        return self._release() if self._may_begin(now) else []

    def rest(self) -> list[Placed]:
        """All that is left, at the end."""
        for reader in self._readers:
            self._hold(reader.rest())
        return self._release()

    @property
    def base(self) -> float:
        """The moment of the first frame on the plane's clock; 0 before anything could be written."""
        return self._base or 0.0

    @property
    def written_tracks(self) -> tuple[int, ...]:
        """The tracks that have frames, by their places in INFO; fixed by the first `take` that gave any."""
        return tuple(sorted(self._seen))

    def _may_begin(self, now: float) -> bool:
        if self._base is not None:
            return True
        if self._first_at is None:
            return False
        waited = now - self._first_at
        if waited >= MISSING_TRACK or self._held_bytes > MOST_HELD:
            return True
        if len(self._seen) < len(self.formats):
            return False
        return waited >= HOLD or all(clock.is_synchronized for clock in self._clocks)

    def _release(self) -> list[Placed]:
        held, self._held, self._held_bytes = self._held, [], 0
        placed = [(self._clocks[each.track].time(each.timestamp, each.arrival), each) for each in held]
        if not placed:
            return []
        if self._base is None:
            self._base = min(time for time, _ in placed)
            self._left_out = set(range(len(self.formats))) - self._seen
        placed.sort(key=lambda each: each[0])
        return [Placed(each.track, each.frame, max(time - self._base, 0.0)) for time, each in placed]

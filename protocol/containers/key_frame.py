"""The first whole key frame of a publication, out of the messages of its tap."""

from protocol.containers.frames import Frame
from protocol.containers.track_reader import TrackReader
from protocol.taps import RecordKind, TapError, TapRecord, read_info, read_message


class KeyFrameReader:
    """Feed it messages until it has `found` one, or `ended`."""

    def __init__(self) -> None:
        self.codec = ""
        """Of the video, by its canonical name; empty without any."""
        self.found: Frame | None = None
        self.ended = False
        """The publication is over, or has no video."""
        self._track = -1
        self._reader: TrackReader | None = None

    def feed(self, message: memoryview) -> None:
        """A message of the tap. Raises TapError for one that it could not have sent."""
        for record in read_message(message):
            self._take(record)

    def wants_key_frame(self) -> bool:
        """Whether packets of the last key frame are missing, so that another one is needed, since the last call."""
        reader = self._reader
        if reader is None or not reader.wants_key_frame:
            return False
        reader.wants_key_frame = False
        return True

    def _take(self, record: TapRecord) -> None:
        if record.kind is RecordKind.INFO:
            self._begin(record)
        elif record.kind is RecordKind.END:
            self.ended = True
        elif record.kind is RecordKind.RTP and record.track == self._track and self._reader is not None:
            for each in self._reader.take(record):
                if each.frame.is_key and self.found is None:
                    self.found = each.frame

    def _begin(self, record: TapRecord) -> None:
        if self._reader is not None:
            raise TapError("tracks that change")
        for number, track in enumerate(read_info(record.body)):
            if track.is_video:
                self.codec, self._track, self._reader = track.codec, number, TrackReader(number, track)
                return
        self.ended = True

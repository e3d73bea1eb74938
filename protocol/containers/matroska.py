"""Writing Matroska (RFC 9559), and WebM, the part of it that browsers play.

What is written is a playable file at any moment: sizes are unknown at first, and put in when they are known. `begin`,
`add` and `finish` give bytes to append; `take_patches` gives what to write over, where. Times are in milliseconds.
"""

from typing import Final, NamedTuple

from protocol.containers import ebml
from protocol.containers.ebml import element, element_id, float64, master, text, unsigned, void
from protocol.containers.frames import Frame
from protocol.taps import TrackFormat

CLUSTER: Final = 0x1F43B675
CLUSTER_TIME: Final = 0xE7
SIMPLE_BLOCK: Final = 0xA3
CUES: Final = 0x1C53BB6B
INFO: Final = 0x1549A966
TRACKS: Final = 0x1654AE6B
SEGMENT: Final = 0x18538067
DURATION: Final = 0x4489
DURATION_SIZE: Final = 11
SEEK_HEAD_ROOM: Final = 92
"""Bytes of the Void that becomes the SeekHead."""
CLUSTER_SPAN: Final = 5000
CUE_SPACING: Final = 500
"""Milliseconds from one cluster to the next, at least and at most: a key frame in between begins another."""
_FARTHEST: Final = 32_000
"""Milliseconds that a block may be apart from its cluster's time, which has 16 bits and a sign."""
_OPUS_DELAY: Final = 6_500_000
_OPUS_PREROLL: Final = 80_000_000
_IDS: Final = {"VP8": "V_VP8", "VP9": "V_VP9", "AV1": "V_AV1", "H264": "V_MPEG4/ISO/AVC", "OPUS": "A_OPUS"}
_WAVE_FORMATS: Final = {"PCMA": 6, "PCMU": 7}
_WEBM: Final = frozenset({"VP8", "VP9", "AV1", "OPUS"})


class Patch(NamedTuple):
    """Bytes to write over what is at `offset`."""

    offset: int
    data: bytes


class MatroskaTrack(NamedTuple):
    """A track of a file: its format, and what its first key frame told."""

    format: TrackFormat
    width: int = 0
    height: int = 0
    setup: bytes = b""


class Cue(NamedTuple):
    """A place to seek to: a time, a track's number from 1, and where the cluster begins in the segment."""

    time: int
    track: int
    position: int


def is_webm(codecs: "tuple[str, ...]") -> bool:
    """Whether these may be in a WebM file."""
    return set(codecs) <= _WEBM


class MatroskaWriter:
    """One file. Frames of a track must come in the order of their times; tracks may overtake each other a little."""

    def __init__(self, tracks: "tuple[MatroskaTrack, ...]") -> None:
        self.length = 0
        """Bytes given out so far."""
        self.duration = 0
        """Milliseconds from the beginning to the end of the last frame, as far as its length is known."""
        self._tracks = tracks
        self._has_video = any(track.format.is_video for track in tracks)
        self._patches: list[Patch] = []
        self._segment = 0  # where its content begins
        self._info = self._tracks_at = self._duration_at = 0
        self._cluster = -1  # where the open one begins
        self._cluster_time = 0
        self._cues: list[Cue] = []

    def begin(self) -> bytes:
        """What comes before the first frame."""
        codecs = tuple(track.format.codec for track in self._tracks)
        head = ebml_header("webm" if is_webm(codecs) else "matroska")
        head += element_id(SEGMENT) + ebml.UNKNOWN_SIZE
        self._segment = len(head)
        head += void(SEEK_HEAD_ROOM)
        self._info = len(head)
        info = segment_info()
        self._duration_at = self._info + len(info) - DURATION_SIZE
        head += info
        self._tracks_at = len(head)
        head += master(TRACKS, *[_track_entry(number, track) for number, track in enumerate(self._tracks, 1)])
        return self._give(head)

    def add(self, track: int, frame: Frame, time: int) -> bytes:
        """A frame of the track with this place among the file's tracks."""
        head = b""
        if self._begins_cluster(track, frame, time):
            self._close_cluster()
            self._cluster, self._cluster_time = self.length, time
            if frame.is_key and self._tracks[track].format.is_video is self._has_video:
                self._cues.append(Cue(time, track + 1, self._cluster - self._segment))
            head = element_id(CLUSTER) + ebml.UNKNOWN_SIZE + unsigned(CLUSTER_TIME, time)
        self.duration = max(self.duration, time)
        relative = (time - self._cluster_time).to_bytes(2, "big", signed=True)
        flags = b"\x80" if frame.is_key else b"\0"
        block = ebml.size(track + 1) + relative + flags
        content = len(block) + len(frame.data)
        return self._give(head + element_id(SIMPLE_BLOCK) + ebml.size(content) + block + frame.data)

    def finish(self) -> bytes:
        """What comes after the last frame. The patches that follow make the file one that can be seeked in."""
        self._close_cluster()
        cues_at, cues = self.length, cue_table(self._cues)
        self._give(cues)
        self._patches += final_patches(
            segment=self._segment,
            info=self._info,
            tracks=self._tracks_at,
            cues=cues_at if cues else None,
            duration_at=self._duration_at,
            duration=self.duration,
            end=self.length,
        )
        return cues

    def take_patches(self) -> list[Patch]:
        """What has become known since the last call. The bytes before must have been written."""
        patches, self._patches = self._patches, []
        return patches

    def _begins_cluster(self, track: int, frame: Frame, time: int) -> bool:
        if self._cluster < 0:
            return True
        age = time - self._cluster_time
        if age < -_FARTHEST or age >= CLUSTER_SPAN:
            return True
        return frame.is_key and age >= CUE_SPACING and self._tracks[track].format.is_video

    def _close_cluster(self) -> None:
        if self._cluster >= 0:
            self._patches.append(cluster_size(self._cluster, self.length))

    def _give(self, data: bytes) -> bytes:
        self.length += len(data)
        return data


# -- parts of a file, for what is written and what is mended --------------------------------------------------------


def ebml_header(doc_type: str) -> bytes:
    """What every Matroska file begins with."""
    return master(
        0x1A45DFA3,
        unsigned(0x4286, 1),
        unsigned(0x42F7, 1),
        unsigned(0x42F2, 4),
        unsigned(0x42F3, 8),
        text(0x4282, doc_type),
        unsigned(0x4287, 4),
        unsigned(0x4285, 2),
    )


def segment_info() -> bytes:
    """The segment's Info; its last DURATION_SIZE bytes are a Void that becomes the Duration."""
    return master(
        INFO,
        unsigned(0x2AD7B1, 1_000_000),
        text(0x4D80, "wcsd"),
        text(0x5741, "wcsd"),
        void(DURATION_SIZE),
    )


def cluster_size(start: int, end: int) -> Patch:
    """The size of a cluster that lies between these two."""
    head = len(element_id(CLUSTER)) + len(ebml.UNKNOWN_SIZE)
    return Patch(start + head - 8, ebml.size(end - start - head, width=8))


def cue_table(cues: list[Cue]) -> bytes:
    """The Cues; nothing without any."""
    if not cues:
        return b""
    return master(
        CUES,
        *[
            master(
                0xBB,
                unsigned(0xB3, cue.time),
                master(0xB7, unsigned(0xF7, cue.track), unsigned(0xF1, cue.position)),
            )
            for cue in cues
        ],
    )


def final_patches(
    *, segment: int, info: int, tracks: int, cues: int | None, duration_at: int, duration: int, end: int
) -> list[Patch]:
    """The segment's size, its Duration, and the SeekHead, when the file is whole. All places count from its start."""
    places = {INFO: info, TRACKS: tracks} | ({} if cues is None else {CUES: cues})
    entries = [
        master(0x4DBB, element(0x53AB, element_id(number)), unsigned(0x53AC, at - segment))
        for number, at in places.items()
    ]
    head = master(0x114D9B74, *entries)
    return [
        Patch(segment, head + void(SEEK_HEAD_ROOM - len(head))),
        Patch(duration_at, float64(DURATION, float(duration))),
        Patch(segment - 8, ebml.size(end - segment, width=8)),
    ]


def _track_entry(number: int, track: MatroskaTrack) -> bytes:
    codec = track.format.codec
    parts = [
        unsigned(0xD7, number),
        unsigned(0x73C5, number),
        unsigned(0x83, 1 if track.format.is_video else 2),
        unsigned(0x9C, 0),
        text(0x86, _IDS.get(codec, "A_MS/ACM")),
    ]
    setup = track.setup if track.format.is_video else _sound_setup(track.format)
    if setup:
        parts.append(element(0x63A2, setup))
    if codec == "OPUS":
        parts += [unsigned(0x56AA, _OPUS_DELAY), unsigned(0x56BB, _OPUS_PREROLL)]
    if track.format.is_video:
        parts.append(master(0xE0, unsigned(0xB0, track.width or 640), unsigned(0xBA, track.height or 480)))
    else:
        sampling, channels = float64(0xB5, float(track.format.clock_rate)), unsigned(0x9F, track.format.channels)
        parts.append(master(0xE1, sampling, channels))
    return master(0xAE, *parts)


def _sound_setup(track: TrackFormat) -> bytes:
    if track.codec == "OPUS":  # RFC 7845 section 5.1, with a pre-skip of 312 samples
        return b"OpusHead\x01" + bytes((track.channels,)) + (312).to_bytes(2, "little") + b"\x80\xbb\0\0\0\0\0"
    tag, rate = _WAVE_FORMATS[track.codec], track.clock_rate
    fields = ((tag, 2), (track.channels, 2), (rate, 4), (rate * track.channels, 4), (track.channels, 2), (8, 2), (0, 2))
    return b"".join([value.to_bytes(width, "little") for value, width in fields])

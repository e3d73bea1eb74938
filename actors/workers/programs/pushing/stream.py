"""What a push sends: the messages of a tap in, messages of RTMP out. H264 is copied; sound becomes AAC."""

from typing import Any, Final

import av.error

from actors.workers.programs.codecs.h264_encoder import PictureTooLarge
from actors.workers.programs.pushing.picture import Transcoder
from actors.workers.programs.pushing.sound import RATE, SoundEncoder, SoundFile
from protocol.containers.frames import Frame
from protocol.containers.timeline import Placed, Timeline
from protocol.rtmp import flv
from protocol.rtmp.publisher import RtmpPublisher
from protocol.taps import RecordKind, read_info, read_message

REFUSED_CODEC: Final = "the picture is no H264, and push.transcode is off"
TOO_LARGE: Final = "the picture is too large to be transcoded"


class PushStream:
    """See above. `transcode`: the bit rate of a picture that is no H264; 0: it is refused."""

    def __init__(self, publisher: RtmpPublisher, *, transcode: int, is_muted: bool) -> None:
        self.refusal = ""
        """Why the publication cannot be pushed at all."""
        self.has_changed = False
        """Whether the tracks are others now: then this push has to begin anew."""
        self.dropped = 0
        """Frames left out because the target is behind."""
        self.frames = 0
        self._publisher = publisher
        self._transcode = transcode
        self._is_muted = is_muted
        self._timeline = Timeline()
        self._transcoder: Transcoder | None = None
        self._sound: SoundEncoder | None = None
        self._setup = b""
        self._needs_key = False
        self._wants_key = False
        self._file_plays = False
        self._has_begun = False
        self._newest = 0.0

    @property
    def is_known(self) -> bool:
        """Whether the tracks are known."""
        return bool(self._timeline.formats)

    @property
    def ended(self) -> bool:
        return self._timeline.ended

    @property
    def newest(self) -> float:
        """When the last record was made, on the plane's clock."""
        return self._newest

    @property
    def plays_file(self) -> bool:
        return self._sound is not None and self._sound.file is not None

    def figures(self) -> dict[str, Any]:
        """For statistics."""
        failures = sum(each.failures for each in (self._sound, self._transcoder) if each is not None)
        timeline = self._timeline
        return {
            "packets": timeline.packets,
            "lost": timeline.lost,
            "malformed": timeline.malformed + failures,
            "frames": self.frames,
            "dropped": self.dropped,
        }

    def wants_key_frame(self) -> bool:
        """Whether a key frame is needed since the last call."""
        wants, self._wants_key = self._wants_key, False
        return self._timeline.wants_key_frame() or wants

    def mute(self, is_muted: bool) -> None:
        """Silence in the place of the published sound, or no longer."""
        self._is_muted = is_muted
        if self._sound is not None:
            self._sound.is_muted = is_muted

    def play_file(self, data: bytes | None, *, loops: bool = False) -> bool:
        """The sound of this file in the place of the published one; None: no longer. False: it has no sound."""
        if self._sound is None:
            return False
        try:
            self._sound.file = None if data is None else SoundFile(data, loops=loops)
        except (av.error.FFmpegError, ValueError, IndexError):
            return False
        self._file_plays = self._sound.file is not None
        return True

    def file_has_ended(self) -> bool:
        """Whether the file has come to its end since the last call."""
        ended = self._file_plays and not self.plays_file
        self._file_plays = self.plays_file
        return ended

    def feed(self, message: memoryview) -> None:
        """A message of the tap. Raises TapError for one that it could not have sent."""
        for record in read_message(message):
            self._newest = record.time
            if record.kind is RecordKind.INFO and self._timeline.formats:
                self.has_changed = self.has_changed or read_info(record.body) != self._timeline.formats
            elif not self.has_changed:
                self._timeline.take_record(record)
                if record.kind is RecordKind.INFO:
                    self._begin()

    def take(self, now: float, *, is_late: bool) -> bytes:
        """What can be sent at `now` (the plane's clock). `is_late`: the target is behind, so pictures are left out."""
        return self._messages(self._timeline.take(now), is_late=is_late)

    def rest(self) -> bytes:
        """All that is left, at the end."""
        return self._messages(self._timeline.rest(), is_late=False)

    # -- inside --------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        for track in self._timeline.formats:
            if not track.is_video:
                self._sound = SoundEncoder(track)
                self._sound.is_muted = self._is_muted
            elif track.codec != "H264":
                if not self._transcode:
                    self.refusal = REFUSED_CODEC
                    return
                self._transcoder = Transcoder(track.codec, self._transcode)

    def _messages(self, placed: list[Placed], *, is_late: bool) -> bytes:
        if self.refusal or not placed:
            return b""
        messages = []
        if not self._has_begun:
            self._has_begun = True
            messages.append(self._publisher.metadata(self._metadata(placed)))
            if self._sound is not None:
                messages.append(self._publisher.audio(0, flv.aac_header(self._sound.config)))
        for each in placed:
            is_video = self._timeline.formats[each.track].is_video
            messages += self._pictures(each, is_late=is_late) if is_video else self._sounds(each)
        return b"".join(messages)

    def _metadata(self, placed: list[Placed]) -> dict[str, Any]:
        about: dict[str, Any] = {"encoder": "wcsd"}
        size = next((each.frame for each in placed if each.frame.width), None)
        if size is not None:
            about |= {"width": size.width, "height": size.height, "videocodecid": flv.AVC_ID}
        if self._sound is not None:
            about |= {"audiocodecid": flv.AAC_ID, "audiosamplerate": RATE, "audiosamplesize": 16, "stereo": True}
        return about

    def _sounds(self, placed: Placed) -> list[bytes]:
        if self._sound is None:
            return []
        frames = self._sound.encode(placed.frame.data, placed.time)
        return [self._publisher.audio(round(each.time * 1000), flv.aac_frame(each.data)) for each in frames]

    def _pictures(self, placed: Placed, *, is_late: bool) -> list[bytes]:
        frame, time = placed.frame, round(placed.time * 1000)
        if is_late and not frame.is_key:
            self._needs_key = True
        if self._needs_key and (is_late or not frame.is_key):
            self.dropped += 1
            self._wants_key = not is_late
            return []
        self._needs_key = False
        return [message for each in self._as_h264(frame, placed.time) for message in self._picture(each, time)]

    def _as_h264(self, frame: Frame, time: float) -> list[Frame]:
        if self._transcoder is None:
            return [frame]
        failures = self._transcoder.failures
        try:
            frames = self._transcoder.convert(frame, time)
        except PictureTooLarge:
            self.refusal = TOO_LARGE
            return []
        self._wants_key = self._wants_key or self._transcoder.failures > failures
        return frames

    def _picture(self, frame: Frame, time: int) -> list[bytes]:
        messages = []
        if frame.setup and frame.setup != self._setup:
            self._setup = frame.setup
            messages.append(self._publisher.video(time, flv.avc_header(frame.setup)))
        if self._setup:
            self.frames += 1
            messages.append(self._publisher.video(time, flv.avc_frame(frame.data, is_key=frame.is_key)))
        return messages

"""A media plane without media: the test says what its peers do."""

from collections.abc import Callable
from itertools import count

from actors.media.events import Connected, Flowing, MediaEvent, MediaRefused
from actors.media.statistics import StreamMediaStatistics
from protocol.stream.info_texts import StreamInfo

Post = Callable[[MediaEvent], None]


class FakeMedia:
    """A publication or playback: `post` is how the test speaks for its peer."""

    audio_codec: str | None = "OPUS"
    video_codec: str | None = "VP8"
    width = 0
    height = 0
    bitrate_kbps = 56

    def __init__(self, answer: str, session_id: str, post: Post) -> None:
        self.answer = answer
        self.session_id = session_id
        self.post = post
        self.closed = 0
        self.withdrawn = 0
        self.publication = self
        """An ingest has one, here both are one object; a playback has that of its publisher."""
        self.key_frame_requests = 0

    def request_key_frame(self) -> None:
        self.key_frame_requests += 1

    def withdraw(self) -> None:
        self.withdrawn += 1

    def close(self) -> None:
        self.closed += 1

    def statistics(self) -> StreamMediaStatistics:
        return StreamMediaStatistics(packets=7, bytes=700, bitrate_kbps=56, lost=0, nacks=0, plis=0)


class FakePlane:
    """Offers `publish` and `play` as the media plane does. With `auto`, every peer comes up at once.

    An offer of "no codecs" or "no sdp" is refused.
    """

    def __init__(self, *, auto: bool = True) -> None:
        self.auto = auto
        self.without_video = False
        """Whether the playbacks to come have no video."""
        self.publications: list[FakeMedia] = []
        self.playbacks: list[FakeMedia] = []
        self._numbers = count(1)

    def publish(
        self, offer: str, *, session_id: str, post: Post, over_tcp: bool = False, first_codec: str | None = None
    ) -> FakeMedia:
        media = self._make(offer, session_id, post)
        self.publications.append(media)
        if self.auto:
            post(Connected())
            post(Flowing())
        return media

    def play(
        self, offer: str, publication: FakeMedia, *, session_id: str, post: Post, over_tcp: bool = False
    ) -> FakeMedia:
        media = self._make(offer, session_id, post)
        media.publication = publication
        media.video_codec = None if self.without_video else media.video_codec
        self.playbacks.append(media)
        if self.auto:
            post(Connected())
        return media

    def _make(self, offer: str, session_id: str, post: Post) -> FakeMedia:
        if offer == "no codecs":
            raise MediaRefused(StreamInfo.NO_COMMON_CODECS, "nothing in common")
        if offer == "no sdp":
            raise MediaRefused(StreamInfo.FAILED_TO_ADD_STREAM_TO_PROXY, "not an SDP")
        return FakeMedia(f"answer {next(self._numbers)}", session_id, post)

"""A published stream: what players attach to, wherever its packets come from."""

from collections.abc import Callable, Mapping

from actors.media.context import MediaContext
from actors.media.events import Flowing, Post, Resized, discard
from actors.media.statistics import StreamMediaStatistics
from actors.media.subscribers import Subscribers
from actors.media.tracks.published_track import PublishedTrack
from protocol.sfu.incoming_track import MediaPacket, MediaRun
from protocol.sfu.rtt import RttEstimator
from protocol.webrtc.sdp import Codec, MediaKind, SourceTrack


class Publication:
    """The tracks of one stream, their viewers, and the size of its picture.

    An ingest makes it, gives it packets by `take`, and ends it. `ask` is called when a key frame request of a track
    may have become due. `round_trip` is the publisher's, where packets can be asked for again. `heeds_requests`: it
    sends key frames when asked.
    """

    def __init__(
        self,
        context: MediaContext,
        codecs: Mapping[MediaKind, Codec],
        *,
        post: Post,
        ask: Callable[[], None],
        round_trip: RttEstimator | None = None,
        heeds_requests: bool = True,
    ) -> None:
        self.stream_id = context.entropy(8).hex()
        self.ended = False
        self.width = 0
        """Of the picture, in pixels; 0 until known."""
        self.height = 0
        """Of the picture, in pixels; 0 until known."""
        self.audio_codec = codecs[MediaKind.AUDIO].name if MediaKind.AUDIO in codecs else None
        """Canonical name (OPUS, PCMU, PCMA), None without audio."""
        self.video_codec = codecs[MediaKind.VIDEO].name if MediaKind.VIDEO in codecs else None
        """Canonical name (VP8, H264, VP9, AV1), None without video."""
        self.round_trip = round_trip or RttEstimator()
        self._context = context
        self._post = post
        self._flowing = False
        self.tracks = {
            kind: PublishedTrack(
                kind,
                codec,
                ssrc=context.random_number(32),
                rtx_ssrc=context.random_number(32),
                round_trip=self.round_trip,
                now=context.clock(),
                ask=ask,
                heeds_requests=heeds_requests,
            )
            for kind, codec in codecs.items()
        }
        self._subscribers = {kind: Subscribers(track, context, self.stream_id) for kind, track in self.tracks.items()}

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def sources(self) -> tuple[SourceTrack, ...]:
        """The tracks as players are offered them."""
        return tuple(track.source for track in self.tracks.values())

    @property
    def bitrate_kbps(self) -> int:
        """Measured over the last moments."""
        return sum(track.rate.kbps for track in self.tracks.values())

    def statistics(self) -> StreamMediaStatistics:
        """The tracks' counters; only the ingest knows what was requested again, or dropped before reaching a track."""
        tracks = self.tracks.values()
        return StreamMediaStatistics(
            packets=sum(track.incoming.packets for track in tracks),
            bytes=sum(track.incoming.bytes for track in tracks),
            video_bytes=sum(track.incoming.bytes for track in tracks if track.is_video),
            bitrate_kbps=self.bitrate_kbps,
            lost=sum(track.incoming.lost for track in tracks),
            nacks=0,
            plis=sum(track.requests.sent for track in tracks),
        )

    # -- for players ---------------------------------------------------------------------------------------------

    def subscribers(self, kind: MediaKind) -> Subscribers:
        """The viewers of one track."""
        return self._subscribers[kind]

    def request_key_frame(self) -> None:
        """Ask the publisher for one; requests that come close together become one."""
        for track in self.tracks.values():
            if track.is_video:
                track.request_key_frame(self._context.clock())

    # -- for the ingest ------------------------------------------------------------------------------------------

    def begin_again(self, ask: Callable[[], None]) -> None:
        """Another ingest goes on with it; `ask` as above."""
        for track in self.tracks.values():
            track.begin_again(ask)

    def take(self, track: PublishedTrack, packet: MediaPacket | None, now: float) -> None:
        """Forward what `track.incoming` made of a packet, or None. It leaves when the packet sender is flushed."""
        if packet is None:
            track.mend(now)
            return
        track.forward(packet, now)
        if not self._flowing:
            self._flowing = True
            self._post(Flowing())
        if packet.key_frame is not None and packet.key_frame.width:
            self._resize(packet.key_frame.width, packet.key_frame.height)

    def take_run(self, track: PublishedTrack, run: MediaRun) -> None:
        """The same for packets that came together."""
        if run.key_frame is None and self._flowing:
            track.forward_run(run)
        else:
            for packet, now in run.singly():
                self.take(track, packet, now)

    def end(self) -> None:
        """No packet leaves from here on. Idempotent."""
        self.ended = True
        self._post = discard
        for track in self.tracks.values():
            track.end()

    # -- inside --------------------------------------------------------------------------------------------------

    def _resize(self, width: int, height: int) -> None:
        if (width, height) != (self.width, self.height):
            self.width, self.height = width, height
            self._post(Resized(width=width, height=height))

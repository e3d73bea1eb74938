"""A stream as REST, hooks and filters see it."""

from typing import Protocol

from actors.media.publication import Publication
from actors.media.statistics import StreamMediaStatistics
from protocol.node.descriptions import StreamDescription, StreamMeasures, StreamTraffic, StreamTraits
from protocol.stream.request import StreamRequest
from protocol.stream.status_notice import StreamView


class DescribedStream(StreamTraits, Protocol):
    """What a stream knows of itself, beside its traits."""

    request: StreamRequest
    create_date: int

    @property
    def audience(self) -> int:
        """How many players it has."""

    @property
    def is_recorded(self) -> bool:
        """Whether it is being recorded, or will be."""


class DescribedMedia(Protocol):
    """An ingest or a playback."""

    @property
    def publication(self) -> Publication: ...
    @property
    def audio_codec(self) -> str | None: ...
    @property
    def video_codec(self) -> str | None: ...
    @property
    def bitrate_kbps(self) -> int:
        """Measured; cheaper than all statistics."""

    def statistics(self) -> StreamMediaStatistics: ...


def describe_stream(
    stream: DescribedStream, media: DescribedMedia | None, *, info: str | None, traffic: bool
) -> StreamDescription:
    """`media` is None until it is set up. Counting all of its traffic takes as long as the rest."""
    request = stream.request
    return StreamDescription(
        node_id=stream.node_id,
        app_key=stream.app_key,
        session_id=stream.session_id,
        media_session_id=request.media_session_id,
        name=stream.name,
        published=stream.published,
        has_video=stream.has_video,
        has_audio=stream.has_audio,
        status=stream.status,
        create_date=stream.create_date,
        record=stream.is_recorded,
        min_bitrate=request.min_bitrate,
        max_bitrate=request.max_bitrate,
        quality=request.quality,
        media_provider=request.media_provider,
        audio_codec=None if media is None else media.audio_codec,
        video_codec=None if media is None else media.video_codec,
        info=info,
        sdp=request.sdp,
        width=(media is not None and media.publication.width) or request.width,
        height=(media is not None and media.publication.height) or request.height,
        bitrate=(media is not None and media.bitrate_kbps) or request.bitrate,
        viewers=stream.audience,
        traffic=None if media is None or not traffic else _traffic_of(media),
        room_name=request.room,
    )


def view_of(stream: DescribedStream, media: DescribedMedia | None, *, info: str | None) -> StreamView:
    """The same as its owner sees it."""
    request = stream.request
    if media is None:
        width, height, bitrate = request.width, request.height, request.bitrate
    else:
        publication = media.publication
        width, height = publication.width or request.width, publication.height or request.height
        bitrate = media.bitrate_kbps or request.bitrate
    return StreamView(
        request.media_session_id,
        stream.name,
        stream.published,
        stream.status,
        info,
        stream.has_video,
        stream.has_audio,
        stream.is_recorded,
        request.media_provider,
        bitrate,
        width,
        height,
        request.quality,
    )


def measure_media(media: DescribedMedia | None) -> StreamMeasures:
    """Its traffic and codecs; of nothing, if it is not set up."""
    if media is None:
        return StreamMeasures(traffic=StreamTraffic(), audio_codec=None, video_codec=None)
    return StreamMeasures(traffic=_traffic_of(media), audio_codec=media.audio_codec, video_codec=media.video_codec)


def _traffic_of(media: DescribedMedia) -> StreamTraffic:
    figures = media.statistics()
    return StreamTraffic(
        packets=figures.packets,
        bytes=figures.bytes,
        video_bytes=figures.video_bytes,
        bitrate_kbps=figures.bitrate_kbps,
        lost=figures.lost,
        nacks=figures.nacks,
        plis=figures.plis,
        round_trip_ms=round(figures.round_trip * 1000),
    )

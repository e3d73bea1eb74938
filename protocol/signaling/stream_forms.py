"""Streams in the WebSDK's terms: its frames as requests, and statuses as frames.

Events are in `shared_event`.
"""

from protocol.signaling.frames import NotifyStreamStatusEvent, StartRequest
from protocol.stream.request import StreamRequest
from protocol.stream.status_notice import StatusNotice
from protocol.stream.statuses import StreamStatus


def stream_request(frame: StartRequest, *, room: str | None = None) -> StreamRequest:
    """The request in a `publishStream` or `playStream`, made in `room`."""
    return StreamRequest(
        media_session_id=frame.media_session_id,
        name=frame.name,
        sdp=frame.sdp,
        has_video=frame.has_video,
        has_audio=frame.has_audio,
        record=frame.record,
        media_provider=frame.media_provider,
        bitrate=frame.bitrate,
        min_bitrate=frame.min_bitrate,
        max_bitrate=frame.max_bitrate,
        width=frame.width,
        height=frame.height,
        quality=frame.quality,
        custom=frame.custom,
        room=room,
    )


def status_frame(notice: StatusNotice) -> NotifyStreamStatusEvent:
    """The frame that tells the client its stream's status."""
    stream = notice.stream
    return NotifyStreamStatusEvent(
        media_session_id=stream.media_session_id,
        status=StreamStatus(stream.status),
        info=stream.info,
        name=stream.name,
        published=stream.published,
        has_video=stream.has_video,
        has_audio=stream.has_audio,
        record=False,
        media_provider=stream.media_provider,
        bitrate=stream.bitrate,
        width=stream.width,
        height=stream.height,
        quality=stream.quality,
        audio_muted=notice.audio_muted,
        video_muted=notice.video_muted,
        exclude=notice.exclude,
        overwrite=notice.overwrite,
    )

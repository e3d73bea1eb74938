"""What the client is told of its stream with each status."""

from protocol.node.descriptions import StreamDescription
from protocol.signaling.frames import NotifyStreamStatusEvent
from protocol.stream.statuses import StreamStatus


def status_frame(
    description: StreamDescription, audio_muted: bool | None, video_muted: bool | None
) -> NotifyStreamStatusEvent:
    return NotifyStreamStatusEvent(
        media_session_id=description.media_session_id,
        status=StreamStatus(description.status),
        info=description.info,
        name=description.name,
        published=description.published,
        has_video=description.has_video,
        has_audio=description.has_audio,
        record=False,
        media_provider=description.media_provider,
        bitrate=description.bitrate,
        width=description.width,
        height=description.height,
        quality=description.quality,
        audio_muted=audio_muted,
        video_muted=video_muted,
    )

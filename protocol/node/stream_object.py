"""The stream object of WCS: what hooks and REST alike say of a stream, by the names of WCS."""

from typing import Any

from protocol.node.descriptions import StreamDescription


def stream_object(stream: StreamDescription) -> dict[str, Any]:
    """What both have in common. It never holds `custom`, which may carry secrets of the client."""
    return {
        "nodeId": stream.node_id,
        "appKey": stream.app_key,
        "sessionId": stream.session_id,
        "mediaSessionId": stream.media_session_id,
        "name": stream.name,
        "published": stream.published,
        "hasVideo": stream.has_video,
        "hasAudio": stream.has_audio,
        "status": stream.status,
        "sdp": stream.sdp,
        "record": stream.record,
        "width": stream.width,
        "height": stream.height,
        "bitrate": stream.bitrate,
        "minBitrate": stream.min_bitrate,
        "maxBitrate": stream.max_bitrate,
        "quality": stream.quality,
        "mediaProvider": stream.media_provider,
    }

"""A peer that sends or plays what cameras do: H264 as browsers offer it, and Opus."""

from tests.support.session.wcs_client import ClientStream
from tests.support.webrtc.media_peer import MediaPeer, Received


def h264_peer() -> MediaPeer:
    return MediaPeer(video="H264/90000", video_fmtp="packetization-mode=1;profile-level-id=42e01f")


def pictures(player: ClientStream) -> list[Received]:
    """The packets of video that have come."""
    return [packet for packet in player.peer.received if packet.payload_type == player.peer.video_type]


async def until_both(player: ClientStream) -> None:
    """Wait for video and sound."""
    await player.until_media(lambda packet: packet.payload_type == player.peer.video_type)
    await player.until_media(lambda packet: packet.payload_type != player.peer.video_type)

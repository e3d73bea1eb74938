"""Streams in the WebSDK's terms: its frames as requests, and statuses as frames.

Events are in `shared_event`.
"""

from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Final

from protocol.signaling.frame_codec import encode_message
from protocol.signaling.frames import NotifyStreamStatusEvent, StartRequest
from protocol.stream.request import StreamRequest
from protocol.stream.status_notice import StatusNotice


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
        rtmp_url=frame.rtmp_url,
        over_tcp=frame.transport == "TCP",
        room=room,
    )


_HEAD: Final = f'{{"message":{quoted(NotifyStreamStatusEvent.message)},"data":[{{"mediaSessionId":'
_TRUTH: Final = ("false", "true")


def status_text(notice: StatusNotice) -> str:
    """The `notifyStreamStatusEvent` that tells the client its stream's status. Raises as `encode_message`.

    It is written piece by piece: when thousands of streams end, this is much of the work. Only what a backend has
    changed takes the long way, which gives the same text.
    """
    if notice.exclude or notice.overwrite:
        return changed_status_text(notice)
    stream = notice.stream
    info = "" if stream.info is None else f'"info":{quoted(stream.info)},'
    record_name = "" if notice.record_name is None else f'"recordName":{quoted(notice.record_name)},'
    mutes = _muted("audioState", notice.audio_muted) + _muted("videoState", notice.video_muted)
    return (
        f'{_HEAD}{quoted(stream.media_session_id)},"status":{quoted(stream.status)},{info}"name":{quoted(stream.name)},'
        f'"published":{_TRUTH[stream.published]},"hasVideo":{_TRUTH[stream.has_video]},'
        f'"hasAudio":{_TRUTH[stream.has_audio]},"record":{_TRUTH[stream.record]},{record_name}'
        f'"mediaProvider":{quoted(stream.media_provider)},"bitrate":{stream.bitrate},"width":{stream.width},'
        f'"height":{stream.height},"quality":{stream.quality}{mutes}}}]}}'
    )


def _muted(name: str, muted: bool | None) -> str:
    return "" if muted is None else f',"{name}":{{"muted":{_TRUTH[muted]}}}'


def changed_status_text(notice: StatusNotice) -> str:
    """The same for any notice. ValueError or RecursionError if JSON cannot express what the backend has put in."""
    stream, audio_muted, video_muted = notice.stream, notice.audio_muted, notice.video_muted
    identity: dict[str, Any] = {"mediaSessionId": stream.media_session_id, "status": stream.status}
    told = {
        **identity,
        "info": stream.info,
        "name": stream.name,
        "published": stream.published,
        "hasVideo": stream.has_video,
        "hasAudio": stream.has_audio,
        "record": stream.record,
        "recordName": notice.record_name,
        "mediaProvider": stream.media_provider,
        "bitrate": stream.bitrate,
        "width": stream.width,
        "height": stream.height,
        "quality": stream.quality,
        "audioState": None if audio_muted is None else {"muted": audio_muted},
        "videoState": None if video_muted is None else {"muted": video_muted},
        **notice.overwrite,
    }
    kept = {wire: value for wire, value in told.items() if value is not None and wire not in notice.exclude}
    return encode_message(NotifyStreamStatusEvent.message, [kept | identity])

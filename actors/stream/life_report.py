"""What is told of a stream while it lives, with all of its ids: log lines, counts and events."""

from actors.events.event_log import EventLog
from actors.media.events import MediaRefused
from actors.node.supervisor import StreamActor
from actors.runtime.logs import get_logger
from actors.runtime.loop_clock import real_time
from actors.stream.describing import DescribedMedia
from protocol.access.kicks import Subject
from protocol.metrics.actor_counts import ActorCounts
from protocol.node.descriptions import StreamDescription, StreamTraffic
from protocol.node.server_events import EventType

log = get_logger("stream")


def report_live(stream: StreamActor, media: DescribedMedia | None, client: Subject, counts: ActorCounts) -> None:
    """The stream's media flows. `client`: its owner's."""
    seconds = real_time() - stream.started_at
    counts.stream_live(published=stream.published, seconds=seconds)
    log.info(
        "stream live",
        id=stream.media_session_id,
        name=stream.name,
        published=stream.published,
        session=stream.session_id,
        app=stream.app_key,
        client=client.address,
        audio=None if media is None else media.audio_codec,
        video=None if media is None else media.video_codec,
        ms=round(seconds * 1000),
    )


def report_refused(stream: StreamActor, refused: MediaRefused) -> None:
    """The stream's offer cannot be answered."""
    log.info(
        "media refused",
        id=stream.media_session_id,
        session=stream.session_id,
        info=refused.info,
        detail=refused.detail,
    )


class StatusReports:
    """The events of one stream's statuses. The last is held until `release`: of many that end, all owners come first.

    What comes before it is told at once.
    """

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._held: StreamDescription | None = None

    def status(self, stream: StreamDescription, *, is_last: bool) -> None:
        """The stream has a new status."""
        if is_last:
            self._held = stream
        else:
            self._tell(stream)

    def release(self) -> None:
        """The owner has been told."""
        held, self._held = self._held, None
        if held is not None:
            self._tell(held)

    def _tell(self, stream: StreamDescription) -> None:
        self._events.emit(
            EventType.STREAM_STATUS,
            app=stream.app_key,
            name=stream.name,
            nodeId=stream.node_id,
            sessionId=stream.session_id,
            mediaSessionId=stream.media_session_id,
            published=stream.published,
            status=str(stream.status),
            info=stream.info,
            audioCodec=stream.audio_codec,
            videoCodec=stream.video_codec,
            roomName=stream.room_name,
        )


def end_fields(stream: StreamActor, traffic: StreamTraffic, info: str | None) -> dict[str, object]:
    """The fields of the log line about its end."""
    return {
        "id": stream.media_session_id,
        "name": stream.name,
        "session": stream.session_id,
        "published": stream.published,
        "status": str(stream.status),
        "info": info,
        "packets": traffic.packets,
        "bytes": traffic.bytes,
    }

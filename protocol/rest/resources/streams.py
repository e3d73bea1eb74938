"""The REST resource `/stream`: its requests, its stream object, and the answer to a terminate.

Sources: WCS pages "Stopping the video stream on the server side" and "Stream parameters monitoring with REST API".
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from attrs import frozen

from protocol.access.kicks import Kick
from protocol.node.coverage import Coverage
from protocol.node.descriptions import StreamDescription, StreamTraffic
from protocol.node.filters import StreamFilter
from protocol.node.stream_object import stream_object
from protocol.rest.errors import bad_request
from protocol.rest.fields import FLAG, TEXT, TEXTS, Field, FieldTable, FieldValues, some_of
from protocol.rest.json_body import decode_object
from protocol.rest.kicks import BAN, BAN_RULES, REASON, STREAM_BAN_BY, kick_of
from protocol.rest.paging import LIMIT, OFFSET, Page, page_of
from protocol.rest.scope import SCOPE

# -- requests: their fields ------------------------------------------------------------------------------------------

NAME: Final = Field("name", TEXT, "name under which the stream is published or played")
PUBLISHED: Final = Field("published", FLAG, "true: publications, false: playbacks")
STATUS: Final = Field("status", TEXT, "status of the stream, such as PUBLISHING")
MEDIA_SESSION_ID: Final = Field("mediaSessionId", TEXT, "id of one stream")
MEDIA_SESSION_IDS: Final = Field("mediaSessionIds", TEXTS, "ids of some streams; an empty array matches none")
SESSION_ID: Final = Field("sessionId", TEXT, "id of the session that the stream belongs to")
APP_KEY: Final = Field("appKey", TEXT, "key of the application")
HAS_VIDEO: Final = Field("hasVideo", FLAG, "whether the stream has video")
HAS_AUDIO: Final = Field("hasAudio", FLAG, "whether the stream has audio")
MEDIA_PROVIDER: Final = Field("mediaProvider", TEXT, "how the client sends or receives media, such as WebRTC")
ROOM_NAME: Final = Field("roomName", TEXT, "room in which the stream is published or played")
NODE_ID: Final = Field("nodeId", TEXT, "id of the server that the stream is on")

FILTER: Final[tuple[Field[Any], ...]] = (
    NAME, PUBLISHED, STATUS, MEDIA_SESSION_ID, MEDIA_SESSION_IDS,
    SESSION_ID, APP_KEY, HAS_VIDEO, HAS_AUDIO, MEDIA_PROVIDER, NODE_ID, ROOM_NAME,
)  # fmt: skip
"""The conditions of terminate and find: those of WCS, and `nodeId` and `roomName`, which stream objects show."""

DISPLAY: Final = Field("display", some_of("metrics"), "what to show beside the stream object")
DRY_RUN: Final = Field("dry_run", FLAG, "show what would be stopped, and stop nothing")

TERMINATE: Final = FieldTable(*FILTER)
TERMINATE_QUERY: Final = FieldTable(DRY_RUN, REASON, BAN, STREAM_BAN_BY, SCOPE, noun="query parameter", rules=BAN_RULES)
FIND: Final = FieldTable(*FILTER, OFFSET, LIMIT, DISPLAY)


# -- requests ------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class StreamQuery:
    """What a find asks for."""

    filter: StreamFilter
    page: Page
    metrics: bool
    """Whether to show the counters of each stream, where there are any."""


def parse_terminate(body: bytes, *, allow_all: bool) -> StreamFilter:
    """The filter of a terminate request. RestError (400) for anything not exactly understood.

    The empty object sets no condition and so matches every stream. If `allow_all` is false, it is refused.
    """
    query = stream_filter(TERMINATE.read(decode_object(body)))
    if query.is_everything and not allow_all:
        raise bad_request(
            "an empty filter would stop every stream, which rest.terminate_all=deny forbids",
            setting="rest.terminate_all",
        )
    return query


def parse_dry_run(parameters: Mapping[str, str]) -> bool:
    """Whether the query string of a terminate request says `dry_run=true`.

    RestError (400) for any other parameter or value: a typo must not really stop streams.
    """
    return TERMINATE_QUERY.read(parameters)[DRY_RUN] or False


def parse_kick(parameters: Mapping[str, str]) -> Kick | None:
    """The reason and the ban in the query string of a terminate request. RestError (400) like `parse_dry_run`."""
    return kick_of(TERMINATE_QUERY.read(parameters), STREAM_BAN_BY)


def parse_find(fields: Mapping[str, Any]) -> StreamQuery:
    """What a find asks for. RestError (400) for anything not exactly understood."""
    given = FIND.read(fields)
    return StreamQuery(filter=stream_filter(given), page=page_of(given), metrics="metrics" in (given[DISPLAY] or ()))


def stream_filter(given: FieldValues) -> StreamFilter:
    """The conditions among the values of a table that contains them."""
    return StreamFilter(
        name=given[NAME],
        published=given[PUBLISHED],
        status=given[STATUS],
        media_session_ids=_ids(given),
        session_id=given[SESSION_ID],
        app_key=given[APP_KEY],
        has_video=given[HAS_VIDEO],
        has_audio=given[HAS_AUDIO],
        media_provider=given[MEDIA_PROVIDER],
        node_id=given[NODE_ID],
        room_name=given[ROOM_NAME],
    )


def _ids(given: FieldValues) -> frozenset[str] | None:
    """The union of `mediaSessionId` and `mediaSessionIds`; None when neither is given."""
    one, several = given[MEDIA_SESSION_ID], given[MEDIA_SESSION_IDS]
    if one is None and several is None:
        return None
    return frozenset(several or ()) | ({one} if one is not None else set())


# -- answers -------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class NodeReport:
    """What one node did to carry out a terminate, or, as a preview, would do."""

    node_id: str
    count: int
    """How many streams matched the filter, not counting playbacks that end with their publication."""
    all_stopped: bool = True
    """False if the deadline passed before all of them were gone."""
    matched: tuple[StreamDescription, ...] = ()
    """Of a preview: the streams."""

    @classmethod
    def preview(cls, node_id: str, matched: tuple[StreamDescription, ...]) -> "NodeReport":
        """What a dry run finds."""
        return cls(node_id=node_id, count=len(matched), matched=matched)


@frozen(kw_only=True)
class TerminateAnswer:
    """The reports of all nodes asked."""

    nodes: tuple[NodeReport, ...]
    coverage: Coverage | None = None
    """None: there is no cluster."""

    @property
    def matched(self) -> Iterator[StreamDescription]:
        """In a dry run: what would be stopped."""
        return (stream for node in self.nodes for stream in node.matched)

    @property
    def count(self) -> int:
        """How many streams matched, not counting playbacks that end with their publication."""
        return sum(node.count for node in self.nodes)

    @property
    def all_stopped(self) -> bool:
        """Whether every matching stream was gone in time."""
        return all(node.all_stopped for node in self.nodes)


def terminate_status(answer: TerminateAnswer, *, allows_partial: bool = False) -> HTTPStatus:
    """200 if at least one stream matched, even if some were not gone in time; 404 if none matched.

    503 while a node that may have more of them does not answer: 404 would say that there is none, and 200 that all are
    gone. With `allows_partial`, 200 as soon as one has matched.
    """
    is_complete = answer.coverage is None or answer.coverage.is_complete
    if answer.count:
        return HTTPStatus.OK if is_complete or allows_partial else HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.NOT_FOUND if is_complete else HTTPStatus.SERVICE_UNAVAILABLE


def preview(answer: TerminateAnswer) -> Iterator[dict[str, Any]]:
    """What a dry run shows: the matching streams, each with `cascade`, the playbacks that would end with it."""
    return map(previewed, answer.matched)


def previewed(stream: StreamDescription) -> dict[str, Any]:
    """The same of one stream."""
    return {**shown_stream(stream), "cascade": stream.viewers}


def shown_stream(stream: StreamDescription, *, metrics: bool = False) -> dict[str, Any]:
    """The WCS stream object. It never holds `custom`, which may contain the client's secrets."""
    shown = {
        **stream_object(stream),
        "info": stream.info,
        "audioCodec": stream.audio_codec,
        "videoCodec": stream.video_codec,
        "transport": stream.transport,
        "createDate": stream.create_date,
        "mediaType": stream.media_type,
        "viewers": stream.viewers,
        "roomName": stream.room_name,
    }
    if metrics and stream.traffic is not None:
        shown["metrics"] = _metrics(stream, stream.traffic)
    return shown


def _metrics(stream: StreamDescription, traffic: StreamTraffic) -> dict[str, int | str]:
    """The counters that we have, under their WCS names. Rates are in bit/s.

    We count a stream as a whole: if it has video and audio, the sum appears under the video names.
    """
    kind = "VIDEO" if stream.has_video else "AUDIO"
    shown: dict[str, int | str] = {f"{kind}_RATE": traffic.bitrate_kbps * 1000, f"{kind}_LOST": traffic.lost}
    if stream.has_video:
        shown |= {
            "VIDEO_WIDTH": stream.width,
            "VIDEO_HEIGHT": stream.height,
            "VIDEO_NACK": traffic.nacks,
            "VIDEO_PLI": traffic.plis,
        }
    codecs = {"VIDEO_CODEC": stream.video_codec, "AUDIO_CODEC": stream.audio_codec}
    return shown | {key: codec for key, codec in codecs.items() if codec is not None}

"""What nodes send each other: read back as it was, strictly where it selects something."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.access.kicks import BanBy, BanOrder, Kick
from protocol.calls.filters import CallFilter
from protocol.calls.statuses import CallStatus
from protocol.capture.uri import RTSP_SCHEMES
from protocol.cluster.ends import End
from protocol.cluster.messages import (
    ITEMS_IN_PART,
    Ask,
    DeliverData,
    DeliverEvent,
    DeliverToAll,
    EndConnections,
    EndStreams,
    FindConnections,
    FindStreams,
    NodeReply,
    NodeRequest,
    NotUnderstood,
    SetLogLevel,
    decode_message,
    in_parts,
    joined,
)
from protocol.cluster.owner_messages import (
    AddToGroup,
    ChangePush,
    CloseWhip,
    EndCalls,
    EndCapture,
    EndGroup,
    EndPart,
    FindCalls,
    FindCaptures,
    FindGroups,
    FindHolder,
    FindPushes,
    FindRecordings,
    FindRegistrations,
    FinishFile,
    InjectSound,
    InjectStream,
    JoinGroup,
    KeepCapture,
    LeaveGroup,
    OwnerAnswer,
    PlayInPush,
    PushChange,
    SendDigits,
    StartPush,
    StartRecording,
    StopInjection,
    StopRecording,
    TakePicture,
)
from protocol.cluster.relay_messages import LegOffer, PullOutcome, PullStream, RelayedEnd, RelayedEvent, RelayNews
from protocol.cluster.rooms.messages import (
    AnswerNews,
    AskJoin,
    AskLeave,
    AskMessage,
    EndRooms,
    EventNews,
    FindRooms,
    KickFromRooms,
    LeftNews,
    ListedMember,
    ListedStream,
    ListingNews,
    MovedNews,
    OutNews,
    PostToRooms,
    RoomNews,
    RoomWords,
    SeatLost,
    SeatRecord,
    SeekRoom,
    StreamBegun,
    StreamEnded,
    TakeSeat,
    UnwelcomeNews,
)
from protocol.node.descriptions import StreamTraffic
from protocol.node.filters import ConnectionFilter, RoomFilter, StreamFilter
from protocol.rest.resources.pushes import PushOrder, PushSearch, PushSound
from protocol.rooms.room_state import RoomStream
from protocol.stream.pictures import PictureFormat, PictureSpec
from protocol.stream.rotation import Rotation
from protocol.webrtc.relay_leg import LegEnd, LegTrack
from tests.support.calls.listed_call import description
from tests.support.web.stream_world import connection, stream

KICK = Kick(reason="enough", ban=BanOrder(seconds=60.0, by=BanBy.USER, reason="banned"))
STREAMS = StreamFilter(name="a", published=False, media_session_ids=frozenset(("1", "2")), app_keys=frozenset())
END = LegEnd(ufrag="u", pwd="p", fingerprint="sha-256 AA")
CAM = RoomStream(media_session_id="m", name="cam", since=5)
RECORD = SeatRecord(seat="s", login="ann", session_id="id", address="192.0.2.1", since=7, streams=(CAM,))
WORDS = (
    TakeSeat(seat="s", login="ann", session_id="id", address="192.0.2.1"),
    AskJoin(seat="s", command=1, at=7),
    AskMessage(seat="s", command=2, to="ben", text=[1.5, {"any": None}]),
    AskLeave(seat="s", command=3),
    StreamBegun(seat="s", stream=CAM),
    StreamEnded(seat="s", media_session_id="m", failed=True),
    SeatLost(seat="s"),
)
LISTED = (ListedMember(login="ann", session_id="id", streams=(ListedStream(media_session_id="m", name="cam"),)),)
NEWS = (
    EventNews(to=("s", "t"), name="PUBLISHED", info={"login": "ann", "name": "cam"}, about="m"),
    EventNews(to=("s",), name="STATE", members=LISTED),
    AnswerNews(seat="s", command=1, info="Room is full"),
    LeftNews(seat="s"),
    OutNews(seat="s", info="Kicked from room", end=End.of("room-kick", "", KICK)),
    UnwelcomeNews(seat="s", media_session_id="m", info="Room is full"),
    ListingNews(members=LISTED),
    MovedNews(),
)
ASKS: list[Ask] = [
    EndStreams(filter=STREAMS, end=End.of("rest", "Stopped", KICK)),
    EndStreams(filter=StreamFilter(), end=End.of("rest", "Stopped", None)),
    FindStreams(filter=STREAMS, limit=10, traffic=True),
    EndConnections(filter=ConnectionFilter(session_id="s"), end=End.of("rest", "Stopped", None)),
    FindConnections(filter=ConnectionFilter(text="x"), limit=0),
    SetLogLevel(filter=ConnectionFilter(session_id="s"), level="debug"),
    DeliverData(filter=ConnectionFilter(), session_ids=("a", "b"), payload={"x": [1, None]}, operation_id="1"),
    DeliverToAll(filter=ConnectionFilter(app_key="k"), payload=None, stream_name="news"),
    DeliverEvent(filter=StreamFilter(name="news"), payload="text"),
    PullStream(pull="p", name="news", media_session_id="m", edge=END),
    RelayNews(pull="p", number=1, event=RelayedEvent(type="data", payload={"x": None})),
    RelayNews(pull="p", number=2, end=RelayedEnd(info="Stopped")),
    RoomWords(app_key="k", name="lobby", member="a/1", line="l", number=1, records=(RECORD,), words=WORDS),
    RoomNews(app_key="k", name="lobby", line="l", number=2, news=NEWS),
    SeekRoom(app_key="k", name="lobby", member="a/1"),
    FindRooms(filter=RoomFilter(name="lobby"), limit=5),
    PostToRooms(filter=RoomFilter(name="lobby", app_keys=frozenset()), content={"x": None}, sender="ann"),
    KickFromRooms(filter=RoomFilter(), login="ann", seconds=60, end=End.of("room-kick", "Kicked", KICK)),
    EndRooms(filter=RoomFilter(app_key="k")),
    TakePicture(filter=STREAMS, spec=PictureSpec(format=PictureFormat.JPEG, width=320)),
    StartRecording(filter=STREAMS, template="{streamName}", rotation=Rotation(max_ms=1000)),
    StartRecording(filter=STREAMS, template=None, rotation=None),
    StopRecording(filter=STREAMS),
    FindRecordings(filter=StreamFilter()),
    FindCalls(filter=CallFilter(call_id="c", app_keys=frozenset()), limit=5),
    EndCalls(filter=CallFilter(call_id="c"), end=End.of("rest", "Stopped", None), wait=1.5),
    SendDigits(filter=CallFilter(call_id="c"), digits="12#", kind="RFC2833"),
    KeepCapture(uri="rtsp://a.example/", name="cam"),
    EndCapture(uri="rtsp://a.example/", schemes=RTSP_SCHEMES, end=End.of("rest", "Stopped", None)),
    FindCaptures(schemes=RTSP_SCHEMES),
    StartPush(filter=STREAMS, order=PushOrder(stream_name="news", url="rtmp://a/b", sound=PushSound(file="a.wav"))),
    StartPush(filter=STREAMS, order=PushOrder(stream_name="news", url="rtmp://a/b", is_full=True)),
    ChangePush(filter=STREAMS, push="p", change=PushChange.SOUND_OFF),
    PlayInPush(filter=STREAMS, push="p", sound=PushSound(file="a.wav", loops=True)),
    FindPushes(filter=STREAMS, search=PushSearch(url="rtmp://a/b")),
    FindHolder(kind="push", key="p"),
    FindRegistrations(),
    FindGroups(),
    InjectStream(filter=CallFilter(call_id="c"), stream=STREAMS),
    InjectSound(filter=CallFilter(call_id="c"), file="a.wav"),
    StopInjection(filter=CallFilter(call_id="c")),
    CloseWhip(location="/whip/a/b", token="00ff"),
    AddToGroup(uri="multi-recorder://a", filter=STREAMS),
    JoinGroup(uri="multi-recorder://a", stem="a", filter=STREAMS),
    LeaveGroup(uri="multi-recorder://a", stem="", media_session_id="m"),
    EndGroup(uri="multi-recorder://a"),
    EndPart(uri="multi-recorder://a", stem="a"),
    FinishFile(name="a.webm"),
]


def request(ask: Ask) -> NodeRequest:
    return NodeRequest(id="id", sender="a/1", wait_ms=2000, ask=ask)


@pytest.mark.parametrize("ask", ASKS)
def test_a_request_is_read_back(ask: Ask) -> None:
    assert decode_message(request(ask).encode()) == request(ask)


def test_a_kick_goes_with_it() -> None:
    kick = End.of("rest", "Stopped", KICK).kick()
    assert kick is not None
    assert kick.ban is not None
    assert (kick.reason, kick.ban.seconds, kick.ban.by, kick.ban.reason) == ("enough", 60.0, BanBy.USER, "banned")
    assert End.of("rest", "Stopped", None).kick() is None


def test_a_reply_is_read_back_in_parts() -> None:
    traffic = StreamTraffic(packets=5, bytes=7)
    streams = tuple(stream(str(number), traffic=traffic) for number in range(2 * ITEMS_IN_PART + 1))
    reply = NodeReply(id="id", sender="a/1", node_id="a", count=500, streams=streams)
    parts = [decode_message(part.encode()) for part in in_parts(reply)]
    assert [len(part.streams) for part in parts if isinstance(part, NodeReply)] == [ITEMS_IN_PART, ITEMS_IN_PART, 1]
    assert tuple(each for part in parts if isinstance(part, NodeReply) for each in part.streams) == streams
    sessions = NodeReply(id="id", sender="a/1", node_id="a", connections=(connection("s", room_names=("r",)),))
    assert in_parts(sessions) == (sessions,)
    assert decode_message(sessions.encode()) == sessions


@pytest.mark.parametrize("count", [0, 1, ITEMS_IN_PART, ITEMS_IN_PART + 1, 3 * ITEMS_IN_PART])
def test_a_long_list_is_read_back_in_parts(count: int) -> None:
    items = [{"number": number} for number in range(count)]
    reply = NodeReply(id="id", sender="a/1", node_id="a", count=count, owned=OwnerAnswer(value=items))
    parts = [decode_message(part.encode()) for part in in_parts(reply)]
    replies = [part for part in parts if isinstance(part, NodeReply)]
    assert max(len(each.owned.value) for each in replies if each.owned) <= ITEMS_IN_PART
    assert joined(replies) == reply
    assert [(each.part, each.parts) for each in replies] == [(part, len(parts)) for part in range(len(parts))]


def test_what_is_no_list_is_in_one_part() -> None:
    text = "A" * 3 * ITEMS_IN_PART
    for value in (text, {"text": text}, 5, None):
        reply = NodeReply(id="id", sender="a/1", node_id="a", owned=OwnerAnswer(value=value))
        assert in_parts(reply) == (reply,)
        assert joined([reply]) == reply


def altered(**changes: object) -> str:
    fields = json.loads(request(ASKS[0]).encode())
    for path, value in changes.items():
        *parents, last = path.split("__")
        inner = fields
        for parent in parents:
            inner = inner[parent]
        inner[last] = value
    return json.dumps(fields)


@pytest.mark.parametrize(
    "text",
    [
        altered(body__filter__unknown="x"),
        altered(body__filter__published="false"),
        altered(body__filter__name=5),
        altered(body__filter__media_session_ids=[1]),
        altered(body__end=None),
        altered(body=None),
        altered(ask="unknown"),
        altered(ask=[]),
        altered(v=2),
        altered(id=None),
        altered(wait="1"),
        "",
        "[]",
        "[" * 100_000,
        '{"v":1,"report":5}',
        '{"v":1}',
    ],
)
def test_what_is_not_exactly_understood_is_refused(text: str) -> None:
    with pytest.raises(NotUnderstood):
        decode_message(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.fixed_dictionaries({"v": st.just(1)}, optional={"ask": st.sampled_from(["find", "terminate"]) | JSON}), JSON)
def test_no_message_does_harm(fields: dict[str, object], body: object) -> None:
    for extra in ({"body": body}, {"report": body}, {"id": "x", "from": "a", "wait": 1, "body": body}):
        try:
            decode_message(json.dumps({**fields, **extra}))
        except NotUnderstood:
            continue


def test_the_answer_to_a_pull_is_read_back_as_it_was() -> None:
    track = LegTrack(is_video=True, codec="VP8", clock_rate=90_000, channels=1, fmtp="", ssrc=1, rtx_ssrc=2)
    leg = LegOffer(
        outcome=PullOutcome.TAKEN, origin=END, candidates=(("192.0.2.1", 31_001),), tracks=(track,), video_muted=True
    )
    report = NodeReply(id="1", sender="a/1", node_id="a", count=1, leg=leg)
    assert decode_message(report.encode()) == report


def test_texts_of_a_closed_list_are_read_back_as_its_members() -> None:
    calls = (description("c", status=CallStatus.RING, custom=None),)
    reply = NodeReply(id="1", sender="a/1", node_id="a", calls=calls, owned=OwnerAnswer(value=["x", 1]))
    read = decode_message(reply.encode())
    assert read == reply
    assert isinstance(read, NodeReply)
    assert read.calls[0].status is CallStatus.RING
    with pytest.raises(NotUnderstood):
        decode_message(reply.encode().replace('"RING"', '"SINGING"'))


def test_digits_are_in_no_log() -> None:
    assert "123" not in repr(SendDigits(filter=CallFilter(), digits="123", kind="INFO"))

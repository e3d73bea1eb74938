"""What nodes ask each other and answer, as JSON. The list is closed: there is no general call of another node.

    request   from one member to all, or to one: what is to be done, and how long it waits for the answers
    report    from a member that was asked, in one part or several
    notice    from one member to all, which nobody answers

A request is read strictly: a node that does not know a condition of a filter would match too much, so it refuses, and
counts as one that does not answer. A report of a newer version may say more than is understood.
"""

import json
from collections.abc import Callable, Sequence
from enum import EnumType
from typing import Any, ClassVar, Final, TypeVar

from attrs import evolve, frozen
from cattrs import BaseValidationError, Converter
from cattrs.gen import make_dict_unstructure_fn
from cattrs.strategies import configure_tagged_union

from protocol.calls.description import CallDescription
from protocol.cluster.drain_messages import DrainAnswer, DrainNode
from protocol.cluster.ends import End
from protocol.cluster.members import PROTOCOL_VERSION
from protocol.cluster.owner_messages import (
    OWNER_KINDS,
    SEARCH_KINDS,
    OwnerAnswer,
    OwnerAsk,
    RecallAnswer,
    SearchAsk,
    TakePicture,
)
from protocol.cluster.relay_messages import LegOffer, PullStream, RelayNews
from protocol.cluster.rooms.messages import (
    ROOM_KINDS,
    EndRooms,
    KickFromRooms,
    PostToRooms,
    RoomAsk,
    RoomNews,
    RoomNewsItem,
    RoomWord,
    RoomWords,
)
from protocol.node.descriptions import ConnectionDescription, StreamDescription
from protocol.node.filters import ConnectionFilter, StreamFilter
from protocol.rooms.descriptions import RoomDescription

MAX_MESSAGE: Final = 8 * 1024 * 1024
"""Characters of a message; a longer one is ignored."""
ITEMS_IN_PART: Final = 20
"""Descriptions in one part of a report: to read them takes about a millisecond."""

T = TypeVar("T")


class NotUnderstood(Exception):
    """A message that this version does not understand, or that is none."""


# -- what can be asked -------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class EndStreams:
    """Stop the streams that match."""

    filter: StreamFilter
    end: End


@frozen(kw_only=True)
class FindStreams:
    """How many streams match, and the first of them."""

    filter: StreamFilter
    limit: int
    traffic: bool = False


@frozen(kw_only=True)
class EndConnections:
    """Disconnect the sessions that match."""

    filter: ConnectionFilter
    end: End


@frozen(kw_only=True)
class FindConnections:
    """How many sessions match, and the first of them."""

    filter: ConnectionFilter
    limit: int


@frozen(kw_only=True)
class SetLogLevel:
    """Log more or less about the sessions that match."""

    filter: ConnectionFilter
    level: str


@frozen(kw_only=True)
class DeliverData:
    """Send data to those of the sessions named that are there and match."""

    filter: ConnectionFilter
    session_ids: tuple[str, ...]
    payload: Any
    node_id: str | None = None
    """Only if they are on this node, as REST shows it."""
    operation_id: str | None = None


@frozen(kw_only=True)
class DeliverToAll:
    """Send data to every session that matches and, if there is a name, publishes or plays that stream."""

    filter: ConnectionFilter
    payload: Any
    stream_name: str | None = None
    operation_id: str | None = None


@frozen(kw_only=True)
class DeliverEvent:
    """Send an event with data to the players of the live publication that matches."""

    filter: StreamFilter
    payload: Any


Ask = (
    DeliverData
    | DeliverToAll
    | DeliverEvent
    | EndStreams
    | FindStreams
    | EndConnections
    | FindConnections
    | SetLogLevel
    | PullStream
    | RelayNews
    | RoomAsk
    | DrainNode
    | OwnerAsk
    | SearchAsk
)
_KINDS: Final[dict[str, type[Ask]]] = {
    "terminate": EndStreams,
    "find": FindStreams,
    "terminate-connections": EndConnections,
    "find-connections": FindConnections,
    "log-level": SetLogLevel,
    "send-data": DeliverData,
    "broadcast-data": DeliverToAll,
    "send-event": DeliverEvent,
    "pull": PullStream,
    "relay-news": RelayNews,
    **ROOM_KINDS,
    "drain": DrainNode,
    **OWNER_KINDS,
    **SEARCH_KINDS,
}
REPEATED: Final = (
    *(DeliverData, DeliverToAll, DeliverEvent, RoomWords, RoomNews, PostToRooms, KickFromRooms, EndRooms),
    *OWNER_KINDS.values(),
)
"""What is asked again under the same id until it is answered, and done once."""
NOT_KEPT: Final = (TakePicture, RecallAnswer)
"""Of these, what may be done again after it was answered: its reply, which may be large, is not kept."""
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}


@frozen(kw_only=True)
class NodeRequest:
    """One member asks."""

    id: str
    sender: str
    """The member that asks; reports go to it."""
    wait_ms: int
    """How long it waits for the reports."""
    ask: Ask

    def encode(self) -> str:
        body = _STRICT.unstructure(self.ask)
        envelope = {"v": PROTOCOL_VERSION, "id": self.id, "from": self.sender, "wait": self.wait_ms}
        return _text({**envelope, "ask": _NAMES[type(self.ask)], "body": body})


@frozen(kw_only=True)
class NodeReply:
    """What a member did, or found. The counts are in every part; the items are parted."""

    id: str
    """Of the request."""
    sender: str
    node_id: str
    parts: int = 1
    part: int = 0
    count: int = 0
    all_stopped: bool = True
    banned: int = 0
    sent: int = 0
    """Of data: receivers."""
    dropped: int = 0
    """Of data: receivers that there was no room for."""
    missing: tuple[str, ...] = ()
    """Of data: the sessions named that are not there, or do not match."""
    streams: tuple[StreamDescription, ...] = ()
    connections: tuple[ConnectionDescription, ...] = ()
    leg: LegOffer | None = None
    """Of a pull."""
    rooms: tuple[RoomDescription, ...] = ()
    verdict: str = ""
    """Of rooms: whether a message was taken, and why not."""
    drain: DrainAnswer | None = None
    calls: tuple[CallDescription, ...] = ()
    owned: OwnerAnswer | None = None
    """Of what is done by the node that has it."""

    def encode(self) -> str:
        return _text({"v": PROTOCOL_VERSION, "report": _TOLERANT.unstructure(self)})


@frozen(kw_only=True)
class Notice:
    """What all members are told, and nobody answers. It may be lost: what it says is found out in another way too."""

    TABLES: ClassVar[str] = "tables"
    """A shared table has changed."""
    LOGIN_FAILED: ClassVar[str] = "login-failed"
    """From the address `value`."""
    LOGGED_IN: ClassVar[str] = "logged-in"
    EVENTS_WANTED: ClassVar[str] = "events-wanted"
    """The sender wants to hear of events for the next seconds."""
    EVENTS: ClassVar[str] = "events"
    """What has happened on the sender: `protocol.cluster.event_batch`."""

    about: str
    sender: str
    value: str = ""

    def encode(self) -> str:
        return _text({"v": PROTOCOL_VERSION, "notice": _TOLERANT.unstructure(self)})


def decode_message(text: str) -> NodeRequest | NodeReply | Notice:
    """A request, a report or a notice. Raises NotUnderstood."""
    fields = _object(text)
    if fields.get("v") != PROTOCOL_VERSION:
        raise NotUnderstood("another version of the messages between nodes")
    if "notice" in fields:
        return _structured(_TOLERANT, fields["notice"], Notice)
    if "report" in fields:
        return _structured(_TOLERANT, fields["report"], NodeReply)
    kind = _KINDS.get(str(fields.get("ask")))
    if kind is None:
        raise NotUnderstood("an unknown request")
    envelope = _structured(
        _STRICT, {"id": fields.get("id"), "sender": fields.get("from"), "wait": fields.get("wait")}, _Envelope
    )
    ask: Ask = _structured(_STRICT, fields.get("body"), kind)
    return NodeRequest(id=envelope.id, sender=envelope.sender, wait_ms=envelope.wait, ask=ask)


def in_parts(report: NodeReply) -> tuple[NodeReply, ...]:
    """The report in parts of a bounded size."""
    items = _list_of(report)
    length = max(len(report.streams), len(report.connections), len(report.rooms), len(report.calls), len(items))
    parts = max(1, -(-length // ITEMS_IN_PART))
    if parts == 1:
        return (report,)
    return tuple(
        evolve(
            report,
            parts=parts,
            part=part,
            streams=report.streams[part * ITEMS_IN_PART : (part + 1) * ITEMS_IN_PART],
            connections=report.connections[part * ITEMS_IN_PART : (part + 1) * ITEMS_IN_PART],
            rooms=report.rooms[part * ITEMS_IN_PART : (part + 1) * ITEMS_IN_PART],
            calls=report.calls[part * ITEMS_IN_PART : (part + 1) * ITEMS_IN_PART],
            owned=_with_items(report.owned, items[part * ITEMS_IN_PART : (part + 1) * ITEMS_IN_PART]),
        )
        for part in range(parts)
    )


def _list_of(report: NodeReply) -> list[Any]:
    """What its value is a list of; empty, if it is none."""
    value = None if report.owned is None else report.owned.value
    return value if isinstance(value, list) else []


def joined(parts: Sequence[NodeReply]) -> NodeReply:
    """The report that came in these parts, in their order."""
    return evolve(
        parts[0],
        parts=1,
        streams=tuple(stream for part in parts for stream in part.streams),
        connections=tuple(connection for part in parts for connection in part.connections),
        rooms=tuple(room for part in parts for room in part.rooms),
        calls=tuple(call for part in parts for call in part.calls),
        owned=_with_items(parts[0].owned, [item for part in parts for item in _list_of(part)]),
    )


def _with_items(owned: OwnerAnswer | None, items: list[Any]) -> OwnerAnswer | None:
    return owned if owned is None or not isinstance(owned.value, list) else evolve(owned, value=items)


# -- JSON --------------------------------------------------------------------------------------------------------------


@frozen
class _Envelope:
    id: str
    sender: str
    wait: int


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _object(text: str) -> dict[str, Any]:
    if len(text) > MAX_MESSAGE:
        raise NotUnderstood("too long")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise NotUnderstood("not JSON") from None
    if not isinstance(value, dict):
        raise NotUnderstood("not an object")
    return value


def _structured(converter: Converter, value: Any, kind: type[T]) -> T:
    try:
        return converter.structure(value, kind)
    except (BaseValidationError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotUnderstood(f"not a {kind.__name__}: {type(error).__name__}") from None


def _exactly(*kinds: type) -> Callable[[Any, Any], Any]:
    """cattrs itself would turn 5 into "5" and "false" into True."""

    def structure(value: Any, wanted: Any) -> Any:
        if type(value) not in kinds:
            raise TypeError(type(value).__name__)
        return wanted(value) if isinstance(wanted, EnumType) else value

    return structure


def _converter(*, strict: bool) -> Converter:
    converter = Converter(forbid_extra_keys=strict, unstruct_collection_overrides={frozenset: sorted, tuple: list})
    for kind in (str, bool, int):
        converter.register_structure_hook(kind, _exactly(kind))
    converter.register_structure_hook(float, _exactly(float, int))
    configure_tagged_union(RoomWord, converter, tag_name="kind")
    configure_tagged_union(RoomNewsItem, converter, tag_name="kind")
    return converter


_STRICT: Final = _converter(strict=True)
_TOLERANT: Final = _converter(strict=False)
_TOLERANT.register_unstructure_hook(
    NodeReply, make_dict_unstructure_fn(NodeReply, _TOLERANT, _cattrs_omit_if_default=True)
)  # most replies say: nothing here

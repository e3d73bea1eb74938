"""Who is in the cluster, as one node sees it.

A member is one start of one node, written `id/epoch`: the id is permanent, the epoch grows with each start. It is alive
while its lease runs; each beat prolongs the lease, and its answer is the list of all members alive. Lease times are
Redis's; what a node measures itself, it measures on its monotonic clock. So no change of a node's clock matters.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

PROTOCOL_VERSION: Final = 1
"""Of the messages between nodes. Nodes of different versions do not understand each other, and say so."""
BEAT_INTERVAL: Final = 2.0
"""Seconds between two beats of a node, more or less a tenth."""
LEASE: Final = 6.0
"""Seconds for which a beat keeps a member alive."""
SWEEP_AFTER: Final = 60.0
"""Seconds after the end of its lease until a member's entries are removed."""
_MAX_INFO: Final = 4096
_MAX_DIGITS: Final = 20


@frozen(kw_only=True)
class MemberInfo:
    """What a member tells the others about itself with each beat."""

    node_id: str
    """As REST and hooks show it."""
    version: str = ""
    protocol: int = PROTOCOL_VERSION
    state: str = "serving"
    host: str = ""
    """By which pages reach it."""
    ws: int = 0
    wss: int = 0
    started: float = 0.0
    """Seconds since the epoch."""
    publications: int = 0
    viewers: int = 0
    sessions: int = 0
    relays: int = 0
    """Streams of other nodes that it passes on."""
    load: float = 0.0
    """The share of one core that its process uses; 1: it is full."""

    def encode(self) -> str:
        return json.dumps(
            {
                "nodeId": self.node_id,
                "version": self.version,
                "protocol": self.protocol,
                "state": self.state,
                "host": self.host,
                "ws": self.ws,
                "wss": self.wss,
                "started": round(self.started),
                "publications": self.publications,
                "viewers": self.viewers,
                "sessions": self.sessions,
                "relays": self.relays,
                "load": round(self.load, 3),
            },
            separators=(",", ":"),
        )

    @classmethod
    def decode(cls, text: str) -> "MemberInfo":
        """What a member wrote; of another version's, what is understood. Never raises."""
        try:
            known = json.loads(text[:_MAX_INFO])
        except (ValueError, RecursionError):
            known = None
        fields: Mapping[str, Any] = known if isinstance(known, dict) else {}
        return cls(
            node_id=_text(fields, "nodeId"),
            version=_text(fields, "version"),
            protocol=int(_number(fields, "protocol")),
            state=_text(fields, "state"),
            host=_text(fields, "host"),
            ws=int(_number(fields, "ws")),
            wss=int(_number(fields, "wss")),
            started=_number(fields, "started"),
            viewers=int(_number(fields, "viewers")),
            publications=int(_number(fields, "publications")),
            sessions=int(_number(fields, "sessions")),
            relays=int(_number(fields, "relays")),
            load=_number(fields, "load"),
        )


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    return value[:200] if isinstance(value, str) else ""


def _number(fields: Mapping[str, Any], key: str) -> float:
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 <= value < 2**53 else 0.0


@frozen(kw_only=True)
class Member:
    """One member that is alive."""

    name: str
    """`id/epoch`"""
    info: MemberInfo

    @property
    def node(self) -> str:
        """The permanent part of its name."""
        return node_of(self.name)

    @property
    def epoch(self) -> int:
        return epoch_of(self.name)


@frozen(kw_only=True)
class Beat:
    """Redis's answer to a beat."""

    now_ms: int
    """Redis's clock."""
    kept: bool
    """Whether the lease was still running. Otherwise others may have taken the names of this member."""
    boot: str
    """Random, chosen when Redis had none: another one than before means that Redis has lost its data."""
    names: int
    """How many names are held in the cluster."""
    last_log_id: str
    swept: int
    """How many members were removed just now; their names are still there."""
    members: tuple[Member, ...]


def node_of(member: str) -> str:
    """The permanent part of a member's name."""
    return member.rpartition("/")[0]


def epoch_of(member: str) -> int:
    """The epoch in a member's name; 0 if there is none."""
    digits = member.rpartition("/")[2]
    return int(digits) if len(digits) <= _MAX_DIGITS and digits.isascii() and digits.isdecimal() else 0


@frozen(kw_only=True)
class MemberView:
    """What the latest beat told the node `me`."""

    me: str
    boot: str | None = None
    members: Mapping[str, Member] = field(factory=dict)
    names: int = 0
    now_ms: int | None = None
    """Redis's clock then."""
    is_intact: bool = True
    """False: names that this node holds may be gone from the registry, or be another's by now."""

    def after(self, beat: Beat) -> "MemberView":
        """The view with this beat."""
        lost_data = self.boot is not None and beat.boot != self.boot
        return MemberView(
            me=self.me,
            boot=beat.boot,
            members={member.name: member for member in beat.members},
            names=beat.names,
            now_ms=beat.now_ms,
            is_intact=beat.kept and not lost_data and not self._may_have_lapsed(beat),
        )

    def _may_have_lapsed(self, beat: Beat) -> bool:
        """Whether the lease was over since: an earlier beat, whose answer was lost, may have begun another one."""
        return self.now_ms is not None and beat.now_ms - self.now_ms > LEASE * 1000

    @property
    def others(self) -> tuple[Member, ...]:
        return tuple(member for name, member in self.members.items() if name != self.me)

    @property
    def successor(self) -> Member | None:
        """A later start of the same node that runs at the same time: its state folder is a copy of this one's."""
        node, epoch = node_of(self.me), epoch_of(self.me)
        return next((each for each in self.others if each.node == node and each.epoch > epoch), None)

    @property
    def strangers(self) -> tuple[Member, ...]:
        """Members that speak another version of the messages between nodes."""
        return tuple(member for member in self.others if member.info.protocol != PROTOCOL_VERSION)

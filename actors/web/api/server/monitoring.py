"""What the web service tells programs and people that watch the server."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from attrs import field, frozen

from actors.events.event_log import EventLog
from actors.hooks.recent_calls import RecentCalls
from actors.metrics.metrics import Metrics
from actors.node.ports.call_control import CallControlPort
from config.apps import App
from config.loading import Given
from protocol.cluster.members import MemberInfo


class OverviewSource(Protocol):
    """How the whole server does: `actors.metrics.overview.Overview` is one."""

    async def look(self, apps: frozenset[str] | None) -> dict[str, Any]: ...


class NoOverview:
    """For a server that is not measured."""

    async def look(self, apps: frozenset[str] | None) -> dict[str, Any]:
        """Nothing."""
        return {"uptime": 0, "samples": [], "alarms": []}


class OtherNodes(Protocol):
    """The other nodes of this machine."""

    @property
    def own(self) -> int:
        """The number of this node."""

    async def ask(self, look: str, **arguments: Any) -> Mapping[int, Any]:
        """What `answer_look` says on each of them; those that do not answer in time are missing."""


@frozen(kw_only=True)
class Monitoring:
    """What is measured, recorded and known of one server."""

    metrics: Metrics = field(factory=Metrics)
    events: EventLog = field(factory=EventLog)
    calls: RecentCalls = field(factory=RecentCalls)
    phones: CallControlPort | None = None
    """Calls by SIP; None while it is off."""
    overview: OverviewSource = field(factory=NoOverview)
    apps: Callable[[], tuple[App, ...]] = tuple
    """All applications, in their order."""
    others: OtherNodes | None = None
    """The other nodes of this machine."""
    nodes: Callable[[], tuple[MemberInfo, ...]] = tuple
    """All nodes of the cluster, if there is one."""
    settings: Callable[[], Mapping[str, Given]] = dict
    """The text and the origin of each setting in force."""

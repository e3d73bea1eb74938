"""What a node shows to those that watch it, and what all nodes of this machine show together."""

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final, Protocol

import trio

from actors.hooks.recent_calls import RecentCall
from actors.runtime.slices import slices
from actors.web.api.server.monitoring import Monitoring, OtherNodes
from protocol.metrics.host_nodes import (
    Groups,
    labelled_metrics,
    merged_overview,
    merged_statistics,
    newest_first,
)
from protocol.node.server_events import EventFilter, EventType

SHOWN_CALLS: Final = 200
EVENTS_AT_ONCE: Final = 1000
"""Events looked at before other tasks get a turn."""
_LIFE: Final = EventFilter(types=(EventType.STREAM_STATUS, EventType.STREAM_ENDED))

Apps = frozenset[str] | None
Listed = dict[str, list[Mapping[str, Any]]]


class Looks(Protocol):
    """How whatever is watched does. `apps`: only what belongs to these applications; None: all."""

    async def metrics(self) -> bytes:
        """In the text format of Prometheus."""

    async def statistics(self) -> Groups:
        """Those of `/?action=stat`."""

    async def overview(self, apps: Apps) -> Mapping[str, Any]:
        """Totals, samples of the last two minutes, and alarms."""

    async def calls(self, apps: Apps) -> Listed:
        """Hook calls, the newest first: `latest`, and `failed`."""

    async def stream(self, media_session_id: str, apps: Apps) -> Listed:
        """Of one stream: `statuses`, as far as events go back, and hook `calls`."""


class OwnLooks:
    """Those of this node alone."""

    def __init__(self, monitoring: Monitoring, statistics: Callable[[], Groups]) -> None:
        self._monitoring = monitoring
        self._statistics = statistics

    async def metrics(self) -> bytes:
        return await self._monitoring.metrics.render()

    async def statistics(self) -> Groups:
        return self._statistics()

    async def overview(self, apps: Apps) -> Mapping[str, Any]:
        return await self._monitoring.overview.look(apps)

    async def calls(self, apps: Apps) -> Listed:
        calls = self._monitoring.calls
        return {"latest": _shown_calls(calls.latest(), apps), "failed": _shown_calls(calls.failed(), apps)}

    async def stream(self, media_session_id: str, apps: Apps) -> Listed:
        latest = self._monitoring.calls.latest()
        calls = (call for call in latest if call.media_session_id == media_session_id)
        return {"statuses": await self._statuses(media_session_id, apps), "calls": _shown_calls(calls, apps)}

    async def _statuses(self, wanted: str, apps: Apps) -> list[Mapping[str, Any]]:
        encoded = json.dumps(wanted).encode()
        found: list[Mapping[str, Any]] = []
        for some in slices(self._monitoring.events.history(), EVENTS_AT_ONCE):
            for event in some:
                if encoded in event.data and _LIFE.matches(event) and (apps is None or event.app in apps):
                    told = json.loads(event.data.partition(b"\ndata: ")[2])
                    if told.get("mediaSessionId") == wanted:
                        found.append({key: told.get(key) for key in ("time", "status", "info", "cause")})
            await trio.lowlevel.checkpoint()
        return found


async def answer_look(looks: Looks, look: str, arguments: Mapping[str, Any]) -> Any:
    """What another node of this machine wants to know. KeyError if there is no such look."""
    apps = None if arguments.get("apps") is None else frozenset(arguments["apps"])
    match look:
        case "metrics":
            return (await looks.metrics()).decode()
        case "statistics":
            return await looks.statistics()
        case "overview":
            return await looks.overview(apps)
        case "calls":
            return await looks.calls(apps)
        case "stream":
            return await looks.stream(arguments["id"], apps)
    raise KeyError(look)


class HostLooks:
    """Those of all nodes of this machine: this one asks the others."""

    def __init__(self, own: Looks, others: OtherNodes) -> None:
        self._own, self._others = own, others

    async def metrics(self) -> bytes:
        own = (await self._own.metrics()).decode()
        return labelled_metrics(self._in_order(own, await self._others.ask("metrics"))).encode()

    async def statistics(self) -> Groups:
        others = await self._others.ask("statistics")
        return merged_statistics([await self._own.statistics(), *others.values()])

    async def overview(self, apps: Apps) -> Mapping[str, Any]:
        own = await self._own.overview(apps)
        others = await self._others.ask("overview", apps=_listed(apps))
        return merged_overview({self._others.own: own, **others})

    async def calls(self, apps: Apps) -> Listed:
        every = [await self._own.calls(apps), *(await self._others.ask("calls", apps=_listed(apps))).values()]
        return {kind: newest_first([each[kind] for each in every], SHOWN_CALLS) for kind in ("latest", "failed")}

    async def stream(self, media_session_id: str, apps: Apps) -> Listed:
        others = await self._others.ask("stream", id=media_session_id, apps=_listed(apps))
        every = [await self._own.stream(media_session_id, apps), *others.values()]
        statuses = [status for each in every for status in each["statuses"]]
        calls = newest_first([each["calls"] for each in every], SHOWN_CALLS)
        return {"statuses": sorted(statuses, key=lambda status: str(status["time"])), "calls": calls}

    def _in_order(self, own: str, others: Mapping[int, str]) -> Mapping[int, str]:
        return dict(sorted({**others, self._others.own: own}.items()))


def looks_of(monitoring: Monitoring, statistics: Callable[[], Groups]) -> Looks:
    """Those of all nodes of this machine, or of the only one."""
    own = OwnLooks(monitoring, statistics)
    return own if monitoring.others is None else HostLooks(own, monitoring.others)


def _listed(apps: Apps) -> list[str] | None:
    return None if apps is None else sorted(apps)


def _shown_calls(calls: Iterable[RecentCall], apps: Apps) -> list[Mapping[str, Any]]:
    visible = (call for call in calls if apps is None or call.app in apps)
    return [_shown_call(call) for call in islice(visible, SHOWN_CALLS)]


def _shown_call(call: RecentCall) -> Mapping[str, Any]:
    return {
        "time": call.time,
        "appKey": call.app,
        "method": call.method,
        "outcome": call.outcome.value,
        "status": call.status,
        "ms": call.ms,
        "attempts": call.attempts,
        "name": call.name,
        "mediaSessionId": call.media_session_id,
        "sessionId": call.session_id,
        "cause": call.cause,
    }

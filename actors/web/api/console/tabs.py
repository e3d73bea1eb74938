"""`/page/...`: what the console shows beside its tables. All of it needs the role `view`, and nothing of it acts."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from actors.node.ports.control import NodeControl
from actors.web.api.console.calls import ConsoleCalls
from actors.web.api.console.tables import SNAPSHOT_AGE, stream_row
from actors.web.api.routes import ApiRoute, Endpoint
from actors.web.api.server.apps import app_object
from actors.web.api.server.looks import Looks, OwnLooks
from actors.web.api.server.monitoring import Monitoring
from actors.web.api.shared_snapshots import SharedSnapshots
from actors.web.callers import check_unbound, identity_of, narrowed
from config.apps import ALL_METHODS
from config.loading import shown
from config.settings import TABLE
from protocol.access.roles import Role
from protocol.cluster.members import MemberInfo
from protocol.common.json_text import to_json
from protocol.node.filters import StreamFilter
from protocol.rest.errors import not_found
from protocol.rest.fields import TEXT, Field, FieldTable
from protocol.rest.paging import ALL, Page
from protocol.rest.query import read_query

SHOWN_PLAYERS: Final = 50

ID: Final = Field("id", TEXT, "media session id of the stream")
NOTHING: Final = FieldTable(noun="query parameter")
STREAM_QUERY: Final = FieldTable(ID, required=(ID,), noun="query parameter")

Apps = frozenset[str] | None


class ConsoleResource:
    """What the console shows of one server; each answer is made once a second, and shared."""

    def __init__(
        self, streams: NodeControl, monitoring: Monitoring, clock: Callable[[], int], looks: Looks | None = None
    ) -> None:
        self._streams = streams
        self._looks = looks or OwnLooks(monitoring, streams.statistics)
        self._monitoring = monitoring
        self._clock = clock
        self._calls = ConsoleCalls(monitoring.phones, clock)
        self._written: SharedSnapshots[str] = SharedSnapshots(SNAPSHOT_AGE)

    def routes(self) -> tuple[ApiRoute, ...]:
        return (
            _route("overview", self.overview, "how the server does"),
            _route("stream", self.stream, "one stream in detail", STREAM_QUERY),
            _route("calls", self.calls, "the calls by SIP"),
            _route("hooks", self.hooks, "the latest hook calls, and the last that failed"),
            _route("apps", self.apps, "the applications"),
            _route("settings", self.settings, "the settings in force, and where they come from"),
        )

    async def overview(self, request: Request) -> Response:
        """Totals, samples of the last two minutes, and alarms."""
        NOTHING.read(read_query(request.scope["query_string"]))
        apps = identity_of(request.scope).apps

        async def make() -> str:
            nodes = [_node_row(info) for info in self._monitoring.nodes()] if apps is None else []
            return to_json({**await self._looks.overview(apps), "nodes": nodes, "sip": await self._calls.line(apps)})

        return _json(await self._written.get(("overview", apps), make))

    async def stream(self, request: Request) -> Response:
        """A stream, also one that has ended a while ago: its statuses, hook calls and players."""
        wanted = STREAM_QUERY.read(read_query(request.scope["query_string"]))[ID] or ""
        apps = identity_of(request.scope).apps

        async def make() -> str:
            return to_json(await self._details(request, wanted))

        return _json(await self._written.get(("stream", apps, wanted), make))

    async def calls(self, request: Request) -> Response:
        """The calls by SIP, oldest first."""
        NOTHING.read(read_query(request.scope["query_string"]))
        apps = identity_of(request.scope).apps

        async def make() -> str:
            return to_json(await self._calls.table(apps))

        return _json(await self._written.get(("calls", apps), make))

    async def hooks(self, request: Request) -> Response:
        """Hook calls, the newest first, without bodies."""
        NOTHING.read(read_query(request.scope["query_string"]))
        apps = identity_of(request.scope).apps

        async def make() -> str:
            return to_json(await self._looks.calls(apps))

        return _json(await self._written.get(("hooks", apps), make))

    async def apps(self, request: Request) -> Response:
        """The applications, without passwords and secrets."""
        NOTHING.read(read_query(request.scope["query_string"]))
        apps = identity_of(request.scope).apps
        known = (app for app in self._monitoring.apps() if apps is None or app.key in apps)
        return _json(to_json({"apps": [app_object(app) for app in known], "methods": ALL_METHODS}))

    async def settings(self, request: Request) -> Response:
        """Every setting; secrets are masked."""
        NOTHING.read(read_query(request.scope["query_string"]))
        check_unbound(request.scope, "this")

        async def make() -> str:
            return to_json({"settings": list(self._shown_settings())})

        return _json(await self._written.get("settings", make))

    # -- inside ------------------------------------------------------------------------------------

    async def _details(self, request: Request, wanted: str) -> dict[str, Any]:
        query = narrowed(request.scope, StreamFilter(media_session_ids=frozenset({wanted})))
        found = next(iter((await self._streams.find(query, ALL, traffic=True)).items), None)
        apps, now = identity_of(request.scope).apps, self._clock()
        seen = await self._looks.stream(wanted, apps)
        if found is None and not seen["statuses"]:
            raise not_found("no stream has this id")
        players: list[dict[str, Any]] = []
        if found is not None and found.published:
            same = StreamFilter(name=found.name, published=False)
            some = await self._streams.find(narrowed(request.scope, same), Page(limit=SHOWN_PLAYERS), traffic=True)
            players = [stream_row(player, now) | _client(player.session_id) for player in some.items]
        return {
            "stream": None if found is None else stream_row(found, now) | _client(found.session_id),
            **seen,
            "players": players,
        }

    def _shown_settings(self) -> Iterator[dict[str, Any]]:
        given = self._monitoring.settings()
        group = ""
        for key, known in TABLE.items():
            group = known.heading or group
            if key in given:
                yield {
                    "key": key,
                    "value": shown(known, given[key].text),
                    "default": shown(known, known.default),
                    "origin": given[key].origin,
                    "live": known.live,
                    "meaning": known.meaning,
                    "group": group,
                }


def _node_row(info: MemberInfo) -> dict[str, Any]:
    """A node of the cluster as it told of itself last."""
    return {
        "node": info.node_id,
        "state": info.state,
        "publications": info.publications,
        "viewers": info.viewers,
        "relays": info.relays,
        "sessions": info.sessions,
        "load": round(100 * info.load),
        "version": info.version,
    }


def _route(name: str, endpoint: Endpoint, summary: str, fields: FieldTable = NOTHING) -> ApiRoute:
    path = f"/page/{name}"
    return ApiRoute(path=path, endpoint=endpoint, role=Role.VIEW, summary=summary, fields=fields, is_described=False)


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")


def _client(session_id: str) -> dict[str, str]:
    """The address of a session's client, which its id begins with: `/ADDRESS:PORT/...`."""
    address = session_id.removeprefix("/").partition("/")[0] if session_id.startswith("/") else ""
    return {"client": address}

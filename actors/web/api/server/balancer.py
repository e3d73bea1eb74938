"""`/rest-api/lb`, for the WebSDK's `lbUrl`: to which node a page should connect.

The SDK takes nothing but 200 with CORS and valid JSON; after anything else its session stays PENDING for ever. So this
answers at once, whatever the query string is, and names this node if there is no better one.
"""

from ipaddress import ip_address

from starlette.requests import Request
from starlette.responses import Response

from actors.node.ports.balancer import BalancerPort
from actors.web.api.routes import ApiRoute
from actors.web.open_paths import LB_PATH
from actors.web.responses import JsonAnswer
from protocol.rest.access import read_authority
from protocol.rest.operations import ANYONE

MAX_NAME = 1024
"""Characters of a stream's name that are looked at."""
MAX_HOST = 253
"""Characters of a name in DNS."""


class BalancerResource:
    """The one route."""

    def __init__(self, balancer: BalancerPort | None) -> None:
        self._balancer = balancer

    def routes(self) -> tuple[ApiRoute, ...]:
        if self._balancer is None:
            return ()
        route = ApiRoute(
            path=LB_PATH, endpoint=self.place, role=ANYONE, summary="which node to connect to", is_described=False
        )
        return (route,)

    async def place(self, request: Request) -> Response:
        """`name` and `role=play`: the node that has the stream, if there is one."""
        assert self._balancer is not None  # noqa: S101 - there is no route otherwise
        given = request.query_params
        placed = await self._balancer.place(
            name=given.get("name", "")[:MAX_NAME] or None,
            publishes=given.get("role") == "publish",
            reached_as=host_of(request.headers.get("host")),
        )
        return JsonAnswer(dict(placed), headers={"Cache-Control": "no-store"})


def host_of(header: str | None) -> str | None:
    """The name or address in a `Host`; None: it leads nowhere from another machine, as behind many a proxy."""
    authority = read_authority(header or "")
    if authority is None or len(authority.host) > MAX_HOST:
        return None
    try:
        address = ip_address(authority.host)
    except ValueError:
        return None if authority.host.rpartition(".")[2] == "localhost" else authority.host
    return None if address.is_loopback or address.is_unspecified else authority.host

"""`/rest-api/bans/...`"""

from attrs import evolve
from starlette.requests import Request
from starlette.responses import Response

from actors.runtime.logs import get_logger
from actors.web.api.kicks import Kicks
from actors.web.api.routes import ApiRoute, acting_route, finding_route
from actors.web.api.searches import no_match, search_fields
from actors.web.callers import identity_of, note
from actors.web.refusals import caller_fields
from actors.web.responses import LIFTED_HEADER, TOTAL_HEADER, ListAnswer, empty_answer
from protocol.rest.fields import NO_QUERY
from protocol.rest.operations import Answer
from protocol.rest.resources import bans as rest
from protocol.rest.schemas import array_of

log = get_logger("web")


class BanResource:
    """The methods of the ban group. Bans are placed by `terminate`."""

    def __init__(self, kicks: Kicks) -> None:
        self._kicks = kicks
        self._bans = kicks.bans

    def routes(self) -> tuple[ApiRoute, ...]:
        found = Answer(description="the bans that match", schema=array_of(rest.BAN), headers=(TOTAL_HEADER,))
        return (
            finding_route(
                "/rest-api/bans/find_all",
                self.find,
                "list all bans, or find some",
                rest.FIND,
                {404: "no ban matches"},
                found,
                query=NO_QUERY,
            ),
            acting_route(
                "/rest-api/bans/remove",
                self._kicks.once(self.remove),
                "lift bans",
                rest.REMOVE,
                {404: "no ban matches"},
                Answer(description="they are lifted", headers=(LIFTED_HEADER,)),
                query=NO_QUERY,
            ),
        )

    async def find(self, request: Request) -> Response:
        """The bans in force that match: all without a filter."""
        query, page = rest.parse_find(await search_fields(request, rest.FIND, NO_QUERY))
        query = _narrowed(request, query)
        found = [ban for ban in self._bans.active() if query.matches(ban)]
        if not found:
            return no_match(request, "ban")
        return ListAnswer(map(rest.ban_object, page.of(found)), {TOTAL_HEADER: str(len(found))})

    async def remove(self, request: Request) -> Response:
        """Lift the bans that match; their subjects may come back at once."""
        query = _narrowed(request, rest.parse_remove(await request.body()))
        count = self._bans.lift([ban for ban in self._bans.active() if query.matches(ban)])
        if not count:
            return no_match(request, "ban")
        await self._bans.save()
        note(request.scope, lifted=count)
        log.info("bans lifted by rest", count=count, **caller_fields(request.scope))
        return empty_answer({LIFTED_HEADER: str(count)})


def _narrowed(request: Request, query: rest.BanFilter) -> rest.BanFilter:
    return evolve(query, app_keys=identity_of(request.scope).apps)

"""What requests that end streams or sessions share: a reason to tell, a ban, and one answer for one key.

endpoint=self._kicks.once(self.terminate)               `Idempotency-Key`
reason = BY_REST.with_kick(kick)                        why each of them ends
headers |= await self._kicks.settled(kick, request)     its bans are kept over a restart from here on
"""

from collections.abc import Mapping

from starlette.requests import Request

from actors.node.bans import Bans
from actors.node.ports.keyed_requests import KeyedRequests
from actors.runtime.logs import get_logger
from actors.web.api.idempotency import IdempotentRequests
from actors.web.api.routes import Endpoint
from actors.web.callers import note
from actors.web.refusals import caller_fields
from actors.web.responses import BANNED_HEADER
from protocol.access.kicks import Kick

log = get_logger("web")

ONCE = """\
With the header `Idempotency-Key` it is done once, and the same request gets the same answer for ten minutes. After
`ban`, the header `X-Banned-Count` says how many bans were placed."""


class Kicks:
    """One for the whole application: a key is used once, whatever the path."""

    def __init__(self, bans: Bans, requests: KeyedRequests | None = None) -> None:
        """`requests`: those of other nodes, in a cluster."""
        self.bans = bans
        self._requests = IdempotentRequests(requests)

    def once(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, which carries out each request with an `Idempotency-Key` once."""
        return self._requests.once(endpoint)

    async def settled(self, kick: Kick | None, request: Request) -> Mapping[str, str]:
        """To be called when everything has been stopped; the headers that tell of the bans."""
        if kick is None or kick.ban is None:
            return {}
        await self.bans.save()
        placed = kick.ban.placed
        note(request.scope, banned=placed, seconds=kick.ban.seconds)
        log.info("bans placed by rest", count=placed, seconds=kick.ban.seconds, **caller_fields(request.scope))
        return {BANNED_HEADER: str(placed)}

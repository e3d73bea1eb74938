"""Carries out each request with an `Idempotency-Key` once, and repeats its answer; see `protocol/rest/idempotency.py`.

A request that comes while the first one with its key is being carried out waits for it, and gets the same answer, also
one that is not kept. In a cluster, the first one may have come to another node: its answer comes from there.
"""

from typing import Final

import trio
from starlette.requests import Request
from starlette.responses import Response

from actors.node.ports.keyed_requests import KeptResponse, KeyedRequests
from actors.node.ports.refusals import NodesSilent
from actors.web.api.routes import Endpoint
from actors.web.callers import identity_of
from actors.web.refusals import client_address
from actors.web.responses import REPLAYED_HEADER, ListAnswer, UnfinishedAnswer
from protocol.access.identity import Proof
from protocol.rest.errors import RestError
from protocol.rest.idempotency import HEADER, IdempotencyKeys, KeptAnswer, fingerprint, read_key
from protocol.rest.query import read_query
from protocol.rest.scope import SCOPE

RECALL_WAIT: Final = 1.0
"""Seconds that another node waits here for an answer before it asks again."""
MOST_RECALLS: Final = 32
"""Requests of other nodes that wait here at a time; a further one does not wait."""


class _FirstRequest:
    """A request that is being carried out, and what those are told that wait for it."""

    def __init__(self) -> None:
        self.finished = trio.Event()
        self.outcome: KeptResponse | RestError | NodesSilent | None = None
        """None: it was broken off, or its answer cannot be given twice; one of those that wait has the next turn."""


class IdempotentRequests:
    """All requests of one application that have a key. `shared`: with the other nodes of a cluster."""

    def __init__(self, shared: KeyedRequests | None = None) -> None:
        self._keys: IdempotencyKeys[KeptResponse] = IdempotencyKeys(self._forgotten)
        self._turns: dict[int, _FirstRequest] = {}
        self._shared = shared
        self._places: dict[str, tuple[str, str]] = {}
        """Of those that are shared, by what other nodes know them by."""
        self._recalls = 0
        if shared is not None:
            shared.serve(self._recall)

    def once(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint, which carries out each request with a key once."""

        async def carry_out_once(request: Request) -> Response:
            key = read_key(request.headers.getlist(HEADER))
            if key is None:
                return await endpoint(request)
            return await self._once(endpoint, request, key)

        return carry_out_once

    async def _once(self, endpoint: Endpoint, request: Request, key: str) -> Response:
        caller = _caller(request)
        scope = request.scope
        asked = fingerprint(scope["path"].encode(), scope["query_string"], await request.body())
        while (known := self._keys.find(caller, key, asked, trio.current_time())) is not None:
            if known.answer is not None:
                return _again(known.answer)
            turn = self._turns[id(known)]
            await turn.finished.wait()
            if turn.outcome is not None:
                return _again(turn.outcome)
        kept = self._keys.begin(caller, key, asked, trio.current_time())
        turn = self._turns[id(kept)] = _FirstRequest()
        try:
            return await self._carry_out(endpoint, request, key, kept, turn)
        except (RestError, NodesSilent) as error:
            turn.outcome = _copy(error)
            raise
        finally:
            if kept.answer is None:
                self._keys.forget(caller, key)
            del self._turns[id(kept)]
            turn.finished.set()

    async def _carry_out(
        self, endpoint: Endpoint, request: Request, key: str, kept: KeptAnswer[KeptResponse], turn: _FirstRequest
    ) -> Response:
        elsewhere = turn.outcome = await self._answer_of_others(request, key, kept)
        if elsewhere is not None:
            return _again(elsewhere)
        response = await endpoint(request)
        answer = turn.outcome = _answer_of(response)
        if answer is not None and not isinstance(response, UnfinishedAnswer):
            self._keys.keep(key, kept, answer, answer.size)
        return response

    # -- with other nodes --------------------------------------------------------------------------

    async def _answer_of_others(
        self, request: Request, key: str, kept: KeptAnswer[KeptResponse]
    ) -> KeptResponse | None:
        """None: it is carried out here."""
        if self._shared is None or read_query(request.scope["query_string"]).get(SCOPE.name) == "local":
            return None
        place = _place(kept.caller, key)
        self._places[place] = kept.caller, key
        return await self._shared.answer_of_others(place, kept.fingerprint)

    async def _recall(self, place: str, asked: bytes) -> KeptResponse | None:
        """See `Recall`."""
        known = self._at(place, asked)
        if known is not None and known.answer is None and self._recalls < MOST_RECALLS:
            self._recalls += 1
            try:
                with trio.move_on_after(RECALL_WAIT):
                    await self._turns[id(known)].finished.wait()
            finally:
                self._recalls -= 1
            known = self._at(place, asked)
        return None if known is None else known.answer

    def _at(self, place: str, asked: bytes) -> KeptAnswer[KeptResponse] | None:
        owner = self._places.get(place)
        return None if owner is None else self._keys.find(*owner, asked, trio.current_time())

    def _forgotten(self, caller: str, key: str) -> None:
        place = _place(caller, key)
        if self._shared is not None and self._places.pop(place, None) is not None:
            self._shared.forget(place)


def _again(answer: KeptResponse | RestError | NodesSilent) -> Response:
    if not isinstance(answer, KeptResponse):
        raise _copy(answer)
    return Response(answer.body, answer.status, {**answer.headers, REPLAYED_HEADER: "true"})


def _copy(error: RestError | NodesSilent) -> RestError | NodesSilent:
    """The same, for another task to raise: it has no traceback, which would keep all that waited in memory."""
    if isinstance(error, NodesSilent):
        return NodesSilent(error.coverage)
    return RestError(error.status_hint, error.message, key=error.key, setting=error.setting)


def _place(caller: str, key: str) -> str:
    """What nodes tell keys apart by; it tells nothing of them."""
    return fingerprint(caller.encode(), key.encode()).hex()


def _answer_of(response: Response) -> KeptResponse | None:
    """What of it is given again. Nothing of a list, which may be long and comes from a request that changes nothing."""
    if isinstance(response, ListAnswer):
        return None
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return KeptResponse(response.status_code, headers, bytes(response.body))


def _caller(request: Request) -> str:
    """Whose keys these are: the login's, as long as it has the same rights, or without one the address's."""
    identity = identity_of(request.scope)
    if identity.proof is Proof.OPEN:
        return client_address(request.scope)
    apps = None if identity.apps is None else sorted(identity.apps)
    return f"{identity.role} {apps!r} {identity}"

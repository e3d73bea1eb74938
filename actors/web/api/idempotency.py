"""Carries out each request with an `Idempotency-Key` once, and repeats its answer; see `protocol/rest/idempotency.py`.

A request that comes while the first one with its key is being carried out waits for it, and gets the same answer.
"""

from collections.abc import Mapping

import trio
from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response

from actors.web.api.routes import Endpoint
from actors.web.callers import identity_of
from actors.web.refusals import client_address
from actors.web.responses import REPLAYED_HEADER, ListAnswer
from protocol.access.identity import Proof
from protocol.rest.idempotency import HEADER, IdempotencyKeys, fingerprint, read_key


@frozen
class _Answer:
    """An answer as it was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def size(self) -> int:
        """About its bytes."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers.items())

    def again(self) -> Response:
        return Response(self.body, self.status, {**self.headers, REPLAYED_HEADER: "true"})


class IdempotentRequests:
    """All requests of one application that have a key."""

    def __init__(self) -> None:
        self._keys: IdempotencyKeys[_Answer] = IdempotencyKeys()
        self._finished: dict[int, trio.Event] = {}

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
                return known.answer.again()
            await self._finished[id(known)].wait()
        kept = self._keys.begin(caller, key, asked, trio.current_time())
        finished = self._finished[id(kept)] = trio.Event()
        try:
            response = await endpoint(request)
            answer = _answer_of(response)
            if answer is not None:
                self._keys.keep(key, kept, answer, answer.size)
            return response
        finally:
            if kept.answer is None:
                self._keys.forget(caller, key)
            del self._finished[id(kept)]
            finished.set()


def _answer_of(response: Response) -> _Answer | None:
    """What to keep of it; nothing of a list, which may be long and comes from a request that changes nothing."""
    if isinstance(response, ListAnswer):
        return None
    headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    return _Answer(response.status_code, headers, bytes(response.body))


def _caller(request: Request) -> str:
    """Whose keys these are: the login's, or without one the address's."""
    identity = identity_of(request.scope)
    return client_address(request.scope) if identity.proof is Proof.OPEN else str(identity)

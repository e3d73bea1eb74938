"""All sessions by HTTP: begun within limits, and found again by their resources."""

import hmac
import secrets
from http import HTTPStatus
from typing import Final

import trio
from attrs import define, field, frozen

from actors.node.ports.whip import WhipAnswer, WhipRequest
from actors.runtime.actor import ActorStopped
from actors.session import SessionServices
from actors.session.admission import PACE_LIMIT
from actors.whip.session import CLIENT_GONE, WhipSession
from config.live import follow
from config.media_addresses import client_key
from config.settings import Settings
from protocol.common.memory_budget import Allowance
from protocol.node.session_ids import new_session_id
from protocol.rest.errors import RestError, not_found
from protocol.rest.resources.whip import token_digest, unauthorized, unavailable
from protocol.stream.info_texts import StreamInfo

ADDRESS_SHARE: Final = 4
"""The offers of one address may take this part of `max_client_memory`."""
ID_BYTES: Final = 16


@define(eq=False)
class _AddressShare:
    """The sessions of one address."""

    offers: Allowance
    sessions: int = 0


@frozen(eq=False)
class _Resource:
    session: WhipSession
    token: bytes = field(repr=False)


class WhipSessions:
    """Implements the port `actors.node.ports.whip.WhipPort` for one process. `mark`: ends the ids of its resources."""

    def __init__(self, services: SessionServices, *, mark: str = "") -> None:
        self._services, self._mark = services, mark
        self._admission = services.admission
        self._resources: dict[str, _Resource] = {}
        self._clients: dict[str, _AddressShare] = {}
        self._offers = Allowance(self._settings.max_client_memory)
        follow(self._settings, self._adopt)

    def _adopt(self, settings: Settings) -> None:
        self._offers.limit = settings.max_client_memory
        for client in self._clients.values():
            client.offers.limit = settings.max_client_memory / ADDRESS_SHARE

    @property
    def _settings(self) -> Settings:
        return self._services.streams.settings

    async def open(self, request: WhipRequest) -> WhipAnswer:
        """See `WhipPort.open`."""
        await self._pace(client_key(request.client[0]))
        self._check_server(request)
        location = f"{request.path}/{secrets.token_urlsafe(ID_BYTES)}{self._mark}"
        session = self._begin(request, location)
        try:
            return WhipAnswer(sdp=await session.answered.answer(), location=location)
        except trio.Cancelled:
            session.stop(CLIENT_GONE)
            raise

    async def close(self, location: str, token: str | None) -> None:
        """See `WhipPort.close`."""
        await self.close_known(location, token_digest(token))

    async def close_known(self, location: str, digest: bytes) -> None:
        """See `LocalWhipPort.close_known`."""
        resource = self._resources.get(location)
        if resource is None:
            raise not_found("there is no such session: it may have ended")
        if not hmac.compare_digest(resource.token, digest):
            if digest == token_digest(None):
                raise unauthorized("the token of the POST is missing")
            raise RestError(HTTPStatus.CONFLICT, "Permission denied: the session was begun with another token")
        await resource.session.close()

    # -- inside ------------------------------------------------------------------------------------

    async def _pace(self, key: str) -> None:
        """Wait until the address may begin another one. Its HTTP connections bound how many wait."""
        wait = self._admission.pace(key)
        if wait:
            self._services.warnings.warning("connection delayed", address=key, limit=PACE_LIMIT)
            await trio.sleep(wait)

    def _check_server(self, request: WhipRequest) -> None:
        """As for a WebSocket, before the backend is asked."""
        streams = self._services.streams
        if streams.overload.refuses():
            raise unavailable(StreamInfo.SERVER_IS_OVERLOADED)
        if request.published and streams.drain.refuses():
            raise unavailable(StreamInfo.SERVER_IS_DRAINING)

    def _begin(self, request: WhipRequest, location: str) -> WhipSession:
        key, weight = client_key(request.client[0]), len(request.offer)
        self._enter(key, weight)

        def ended() -> None:
            self._resources.pop(location, None)
            self._leave(key, weight)

        session_id = new_session_id(request.client, request.server)
        session = WhipSession(request, session_id=session_id, services=self._services, ended=ended)
        try:
            self._services.streams.supervisor.adopt_session(session)
        except ActorStopped:
            self._leave(key, weight)
            raise unavailable("the server is shutting down") from None
        self._resources[location] = _Resource(session, token_digest(request.token))
        return session

    def _enter(self, key: str, weight: int) -> None:
        limit = self._admission.limit_hit(key)
        if limit is not None:
            raise unavailable("too many sessions", setting=limit)
        client = self._clients.get(key)
        if client is None:
            share = self._settings.max_client_memory / ADDRESS_SHARE
            client = _AddressShare(Allowance(share, parent=self._offers))
        if not client.offers.take(weight):
            raise unavailable("the offers of clients take too much memory", setting="max_client_memory")
        client.sessions += 1
        self._admission.enter(key)
        self._clients[key] = client

    def _leave(self, key: str, weight: int) -> None:
        client = self._clients[key]
        client.offers.give_back(weight)
        client.sessions -= 1
        self._admission.leave(key)
        if not client.sessions:
            del self._clients[key]

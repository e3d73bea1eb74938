"""Writes each request that acts on something into the audit file, with the status of its response.

What the request was about comes from its handler (`callers.note`). Requests that only look are not written.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.access.audit import AuditLog
from actors.web.callers import identity_of, notes, role_of
from actors.web.refusals import client_address
from actors.web.request_ids import request_id
from protocol.access.roles import Role


class AuditTrail:
    """ASGI middleware, behind the guard."""

    def __init__(self, app: ASGIApp, *, audit: AuditLog) -> None:
        self._app = app
        self._audit = audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        role = role_of(scope)
        if role is None or role < Role.OPERATE:
            await self._app(scope, receive, send)
            return
        status: int | None = None

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            self._write(scope, "no answer" if status is None else str(status))

    def _write(self, scope: Scope, result: str) -> None:
        self._audit.done(
            who=str(identity_of(scope)),
            source=client_address(scope),
            what=f"{scope['method']} {scope['path']}",
            result=result,
            **notes(scope),
            request=request_id(scope),
        )

"""An endpoint without a network, for the test clock: its messages go to a registrar that a test makes answers for."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import define, evolve, field

from actors.calls.sip.access import SipAccess
from actors.calls.sip.counts import SipCounts
from actors.calls.sip.endpoint import SipEndpoint
from config.settings import Settings
from protocol.sip.accounts.servers import read_servers
from protocol.sip.core import Outbound
from protocol.sip.messages.message import HeaderFields, RequestMessage, ResponseMessage, SipMessage
from protocol.sip.transactions.machines import Hop
from tests.support.calls.dns_records import NO_RECORDS

Answer = int | tuple[int, tuple[tuple[str, str], ...]] | None
"""A status, perhaps with header fields; None: silence."""


@define(eq=False)
class MemoryTransport:
    """Gives each request to `answer`, and the answer back."""

    on_message: Callable[[SipMessage, Hop], None]
    on_unsent: Callable[[Outbound], None]
    on_lost: Callable[[Hop], None]
    answer: Callable[[RequestMessage], Answer] = lambda request: 200
    counts: SipCounts = field(factory=SipCounts)
    requests: list[tuple[float, RequestMessage]] = field(factory=list)
    responses: list[ResponseMessage] = field(factory=list)
    connection_count: int = 0
    kept_alive: list[set[Hop]] = field(factory=list)
    _ready: trio.Event = field(factory=trio.Event)
    _answers: list[tuple[ResponseMessage, Hop]] = field(factory=list)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        while True:
            await self._ready.wait()
            self._ready = trio.Event()
            answers, self._answers = self._answers, []
            for response, hop in answers:
                self.on_message(response, hop)

    def send(self, outbound: Outbound) -> None:
        request = outbound.message
        if not isinstance(request, RequestMessage):
            self.responses.append(request)
            return
        self.requests.append((trio.current_time(), request))
        answer = self.answer(request)
        if answer is None:
            return
        status, more = answer if isinstance(answer, tuple) else (answer, ())
        kept = [(name, value) for name, value in request.headers.fields if name in ("Via", "From", "Call-ID", "CSeq")]
        headers = HeaderFields((*kept, ("To", request.headers.get("To")), *more))
        self._answers.append((ResponseMessage(status=status, reason="so", headers=headers), outbound.hop))
        self._ready.set()

    async def ready(self, hop: Hop) -> tuple[str, int] | None:
        return None

    def keep_alive(self, hops: Iterable[Hop]) -> None:
        self.kept_alive.append(set(hops))

    def expiries(self) -> list[str]:
        """The times that REGISTERs asked for, in order."""
        return [request.headers.get("Expires") for _, request in self.requests]


@asynccontextmanager
async def memory_endpoint(**settings: Any) -> AsyncIterator[tuple[SipEndpoint, MemoryTransport, Settings]]:
    """An endpoint that knows the server 192.0.2.10."""
    made = evolve(Settings(), sip_servers=read_servers("192.0.2.10"), **settings)
    access = SipAccess(made.sip_servers, own=tuple, records=NO_RECORDS)
    endpoint = SipEndpoint(5060, made, access, MemoryTransport)
    assert isinstance(endpoint.transport, MemoryTransport)
    async with trio.open_nursery() as nursery:
        await nursery.start(endpoint.run)
        yield endpoint, endpoint.transport, made
        nursery.cancel_scope.cancel()

"""Requests with an `Idempotency-Key`, and streams that end only when a test lets them."""

from typing import Any

import trio
import trio.testing

from actors.runtime.actor import StopReason
from protocol.node.filters import StreamFilter
from protocol.rest.resources.streams import TerminateAnswer
from tests.support.web.stream_world import StreamWorld

STREAMS = "/rest-api/stream/terminate"


KEY = {"Idempotency-Key": "k1"}


class SlowWorld(StreamWorld):
    """Stops streams only once it may."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.may_stop = trio.Event()
        self.asked = 0

    async def terminate(
        self, query: StreamFilter, reason: StopReason, *, dry_run: bool, deadline: float
    ) -> TerminateAnswer:
        self.asked += 1
        await self.may_stop.wait()
        return await super().terminate(query, reason, dry_run=dry_run, deadline=deadline)

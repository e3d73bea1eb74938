"""Calls on any node. Each stays on the node of its page, which alone speaks to its phone."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import trio
from attrs import asdict, evolve

from actors.cluster.owned.owners import FIRST, Owners
from actors.cluster.requests.executing import reason_of
from actors.node.ports.call_control import CallControlPort, NoSuchCall
from actors.runtime.actor import StopReason
from protocol.calls.description import CallDescription
from protocol.calls.filters import CallFilter
from protocol.cluster.ends import End
from protocol.cluster.merging import bounded, merged_list, needed_of_each
from protocol.cluster.messages import NodeReply
from protocol.cluster.owner_messages import EndCalls, FindCalls, FindRegistrations, SendDigits
from protocol.rest.paging import Found, Page
from protocol.sip.accounts.account_states import RegistrationDescription, RegistrationState


class ClusterCalls:
    """Implements `actors.node.ports.call_control.CallControlPort` for all nodes."""

    def __init__(self, local: CallControlPort, owners: Owners) -> None:
        self.here = local
        self._owners = owners
        owners.serve(EndCalls, self._serve_end)
        owners.serve(SendDigits, self._serve_digits)
        owners.serve_search(FindCalls, self._serve_find)
        owners.serve_list(FindRegistrations, self._serve_registrations)

    async def registrations(self) -> Found[RegistrationDescription]:
        """Those of all nodes; of those that do not answer, none."""
        return await self._owners.found_by_all(await self.here.registrations(), FindRegistrations(), _registration)

    async def find(self, query: CallFilter, page: Page) -> Found[CallDescription]:
        """Those of all nodes, oldest first."""
        shown = bounded(page)
        part = needed_of_each(shown)
        local = await self.here.find(query, part)

        def is_enough(count: int) -> bool:  # no two nodes have a call of one callId
            return query.call_id is not None and local.total + count >= 1

        if is_enough(0):
            return merged_list(local, (), shown, self._owners.control.alone())
        gathered = await self._owners.search(FindCalls(filter=query, limit=part.limit or 0), is_enough=is_enough)
        coverage = self._owners.control.coverage(gathered, is_decided=is_enough(gathered.count))
        return merged_list(local, [(reply.count, reply.calls) for reply in gathered.replies], shown, coverage)

    async def terminate(self, query: CallFilter, reason: StopReason, *, deadline: float) -> int:
        """Here, if the call is here; else by the node that has it."""
        wait = max(0.0, deadline - trio.current_time())
        ask = EndCalls(filter=query, end=End.of(reason.cause, reason.info, reason.kick), wait=wait)

        async def here() -> int:
            count = await self.here.terminate(query, reason, deadline=deadline)
            if not count:
                raise NoSuchCall
            return count

        try:
            return int(await self._owners.anywhere(here, partial(self.holder, query), ask, wait))
        except NoSuchCall:
            return 0

    async def send_digits(self, query: CallFilter, digits: str, kind: str) -> None:
        ask = SendDigits(filter=query, digits=digits, kind=kind)
        here = partial(self.here.send_digits, query, digits, kind)
        await self._owners.anywhere(here, partial(self.holder, query), ask, 0)

    async def holder(self, query: CallFilter) -> str | None:
        """The id of the other node that has the call; None: there is none. Raises NodesSilent."""
        found = self._owners.elsewhere(await self.find(query, FIRST))
        return None if found is None else found.node_id

    async def _serve_end(self, ask: EndCalls) -> int:
        deadline = trio.current_time() + ask.wait
        return await self.here.terminate(ask.filter, reason_of(ask.end), deadline=deadline)

    async def _serve_digits(self, ask: SendDigits) -> None:
        await self.here.send_digits(ask.filter, ask.digits, ask.kind)

    async def _serve_find(self, ask: FindCalls, blank: NodeReply) -> NodeReply:
        found = await self.here.find(ask.filter, Page(limit=ask.limit))
        calls = tuple(evolve(call, custom=None) for call in found.items)  # it may hold secrets of the page
        return evolve(blank, count=found.total, calls=calls)

    async def _serve_registrations(self, ask: FindRegistrations) -> Iterable[Any]:
        return map(asdict, (await self.here.registrations()).items)


def _registration(fields: Any) -> RegistrationDescription:
    return RegistrationDescription(**{**fields, "state": RegistrationState(fields["state"])})

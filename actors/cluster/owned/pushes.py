"""Pushes of publications on any node. Each stays on the node of its publication."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Final

from attrs import asdict, evolve

from actors.cluster.owned.owners import Owners
from actors.node.ports.push import LocalPushPort, PushDescription
from protocol.cluster.owner_messages import ChangePush, FindPushes, OwnerAsk, PlayInPush, PushChange, StartPush
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found
from protocol.rest.resources.pushes import PushOrder, PushSearch, PushSound

PUSH: Final = "push"
WAIT: Final = 10.0
"""Seconds that another node may take: to look up the name of a target, or to open a file."""


class ClusterPushes:
    """Implements `actors.node.ports.push.PushPort` for all nodes."""

    def __init__(self, local: LocalPushPort, owners: Owners) -> None:
        self.here = local
        self._owners = owners
        owners.serve_holder(PUSH, local.has)
        owners.serve(StartPush, self._serve_start)
        owners.serve(ChangePush, self._serve_change)
        owners.serve(PlayInPush, self._serve_play)
        owners.serve_list(FindPushes, self._serve_find)

    async def start(self, query: StreamFilter, order: PushOrder) -> PushDescription:
        """Here, if the publication is here; else by the node that has it."""
        wanted = evolve(query, name=order.stream_name, published=True)
        ask = StartPush(filter=query, order=order)
        holder = partial(self._owners.holder_of_stream, wanted)
        push = await self._owners.anywhere(partial(self.here.start, query, order), holder, ask, WAIT)
        return push if isinstance(push, PushDescription) else _read(push)

    async def find(self, query: StreamFilter, search: PushSearch) -> Found[PushDescription]:
        """Those of all nodes; of those that do not answer, none."""
        here = await self.here.find(query, search)
        return await self._owners.found_by_all(here, FindPushes(filter=query, search=search), _read)

    async def stop(self, query: StreamFilter, push: str) -> None:
        await self._change(query, push, PushChange.STOP)

    async def mute(self, query: StreamFilter, push: str, *, is_muted: bool) -> None:
        await self._change(query, push, PushChange.MUTE if is_muted else PushChange.UNMUTE)

    async def sound_off(self, query: StreamFilter, push: str) -> None:
        await self._change(query, push, PushChange.SOUND_OFF)

    async def sound_on(self, query: StreamFilter, push: str, sound: PushSound) -> None:
        ask = PlayInPush(filter=query, push=push, sound=sound)
        await self._anywhere(partial(self.here.sound_on, query, push, sound), push, ask)

    # -- inside ------------------------------------------------------------------------------------

    async def _change(self, query: StreamFilter, push: str, change: PushChange) -> None:
        ask = ChangePush(filter=query, push=push, change=change)
        await self._anywhere(partial(self._serve_change, ask), push, ask)

    async def _anywhere(self, here: Callable[[], Awaitable[None]], push: str, ask: OwnerAsk) -> None:
        await self._owners.anywhere(here, partial(self._owners.holder, PUSH, push), ask, WAIT)

    async def _serve_start(self, ask: StartPush) -> Any:
        return _written(await self.here.start(ask.filter, ask.order))

    async def _serve_change(self, ask: ChangePush) -> None:
        match ask.change:
            case PushChange.STOP:
                await self.here.stop(ask.filter, ask.push)
            case PushChange.SOUND_OFF:
                await self.here.sound_off(ask.filter, ask.push)
            case _:
                await self.here.mute(ask.filter, ask.push, is_muted=ask.change is PushChange.MUTE)

    async def _serve_play(self, ask: PlayInPush) -> None:
        await self.here.sound_on(ask.filter, ask.push, ask.sound)

    async def _serve_find(self, ask: FindPushes) -> Iterable[Any]:
        return map(_written, (await self.here.find(ask.filter, ask.search)).items)


def _written(push: PushDescription) -> Any:
    return asdict(evolve(push, url=""))  # it may hold secrets of the target


def _read(fields: Any) -> PushDescription:
    return PushDescription(**fields)

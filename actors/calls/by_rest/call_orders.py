"""What operators order of calls, as `actors.node.ports.call_order.CallOrderPort`."""

from attrs import frozen

from actors.calls.all_calls.call_table import CallTable, ListedCall
from actors.calls.by_rest.call_starter import CallStarter
from actors.calls.by_rest.far_stream import Bring, FarHearer, bring_nothing
from actors.calls.by_rest.sound_files import SoundFiles
from actors.media.publication import Publication
from actors.node.ports.call_control import NoSuchCall
from actors.node.ports.call_order import NothingToInject, NotInjected
from actors.node.ports.push import NoSuchSound
from actors.node.supervisor import Supervisor
from actors.stream.published import PublishedStream
from protocol.calls.filters import CallFilter
from protocol.calls.order import CallOrder
from protocol.calls.sound import BadSound
from protocol.node.filters import StreamFilter


@frozen
class CallOrders:
    """See above."""

    _table: CallTable
    _supervisor: Supervisor
    _starter: CallStarter
    _sounds: SoundFiles
    _bring: Bring = bring_nothing

    @property
    def here(self) -> "CallOrders":
        return self

    async def start(self, order: CallOrder) -> None:
        await self._starter.start(order)

    async def inject_stream(self, query: CallFilter, stream: StreamFilter) -> None:
        call = self._call(query)
        publication = self._publication(stream)
        if publication is None:
            await self._inject_from_afar(query, stream)
        else:
            _check(call.injections.stream(publication))

    async def inject_sound(self, query: CallFilter, file: str) -> None:
        self._call(query)
        try:
            sound = await self._sounds.read(file)
        except NoSuchSound:
            raise NothingToInject("there is no such file in the folder of sounds") from None
        except BadSound as error:
            raise NotInjected(str(error)) from None
        _check(self._call(query).injections.sound(sound))

    async def stop_injection(self, query: CallFilter) -> None:
        self._call(query).injections.stop()

    # -- inside --------------------------------------------------------------------------------------------------

    async def _inject_from_afar(self, query: CallFilter, stream: StreamFilter) -> None:
        broadcast = await self._bring(stream)
        if broadcast is None:
            raise NothingToInject("no publication matches whose media flows")
        call = self._call(query)
        hearer = FarHearer(broadcast)
        fault = call.injections.stream(broadcast.publication, hearer.detach)
        if fault is not None:
            hearer.detach()
        _check(fault)

    def _call(self, query: CallFilter) -> ListedCall:
        calls = self._table.find(query.matches)
        if not calls:
            raise NoSuchCall
        return calls[0]

    def _publication(self, query: StreamFilter) -> Publication | None:
        found = (each for each in self._supervisor.matching(query) if isinstance(each, PublishedStream))
        return next((each.publication for each in found if each.publication is not None), None)


def _check(fault: str | None) -> None:
    if fault is not None:
        raise NotInjected(fault)

"""What operators order of calls, if there are any."""

from actors.calls.by_rest.call_orders import CallOrders
from actors.calls.by_rest.call_starter import CallStarter
from actors.calls.by_rest.sound_files import SoundFiles
from actors.node.directory import NotPublished, NotReady, PublishedElsewhere
from actors.node.ports.call_order import NotInjected
from actors.server.parts import Parts
from actors.stream import Broadcast
from protocol.node.filters import StreamFilter
from protocol.rest.resources.pushes import PushSound

LOCATE_TIMEOUT = 1.0
"""Seconds to wait for one of this node that wants the name."""
NOT_BROUGHT = "the stream is on another node, and does not come from there"


def open_call_orders(parts: Parts) -> CallOrders | None:
    """None while SIP is off."""
    desk = parts.sessions.calls
    if desk is None:
        return None
    if parts.clustered is not None:
        desk.services.table.ids.singles = parts.clustered.cluster.singles
    starter = CallStarter(node_id=parts.node_id, desk=desk, dispatcher=parts.dispatcher, apps=parts.opened.apps)

    async def open_sound(name: str) -> int:
        return await parts.pushes.open_sound(PushSound(file=name))

    async def bring(stream: StreamFilter) -> Broadcast | None:
        clustered = parts.clustered
        if clustered is None or stream.name is None:
            return None
        if await clustered.cluster.owners.holder_of_stream(stream) is None:
            return None
        try:
            return await parts.directory.locate(stream.name, timeout=LOCATE_TIMEOUT)
        except (PublishedElsewhere, NotReady):
            raise NotInjected(NOT_BROUGHT) from None
        except NotPublished:
            return None

    return CallOrders(desk.services.table, parts.supervisor, starter, SoundFiles(open_sound), bring)

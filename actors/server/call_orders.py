"""What operators order of calls, if there are any."""

from actors.calls.by_rest.call_orders import CallOrders
from actors.calls.by_rest.call_starter import CallStarter
from actors.calls.by_rest.sound_files import SoundFiles
from actors.node.ports.push import PushSound
from actors.server.parts import Parts


def open_call_orders(parts: Parts) -> CallOrders | None:
    """None while SIP is off."""
    desk = parts.sessions.calls
    if desk is None:
        return None
    if parts.all_calls is not None:
        desk.services.table.is_elsewhere = parts.all_calls.is_elsewhere
    starter = CallStarter(node_id=parts.node_id, desk=desk, dispatcher=parts.dispatcher, apps=parts.opened.apps)

    async def open_sound(name: str) -> int:
        return await parts.pushes.open_sound(PushSound(file=name))

    return CallOrders(desk.services.table, parts.supervisor, starter, SoundFiles(open_sound))

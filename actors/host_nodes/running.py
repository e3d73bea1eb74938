"""The parent as a program: signals in, the ready line out."""

import os

import trio

from actors.cli import Invocation
from actors.host_nodes.parent import Nodes, PrintLine
from actors.runtime import signals
from actors.runtime.service_manager import ServiceManager
from actors.storage.state_folder import StateFolder


async def run_nodes(invocation: Invocation, state: StateFolder, print_line: PrintLine) -> None:
    """Run them until they are told to stop, or have drained. Raises NodesCannotStart and NodesFailed."""
    manager = ServiceManager(os.environ)
    nodes = Nodes(invocation.source, invocation.settings, state, invocation.nodes or 1)
    async with trio.open_nursery() as nursery:
        await nursery.start(_obey_signals, nodes, manager)
        await nodes.run(manager, print_line)
        nursery.cancel_scope.cancel()


async def _obey_signals(
    nodes: Nodes, manager: ServiceManager, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    async with trio.open_nursery() as reloading:
        with trio.open_signal_receiver(*signals.MEANINGS) as received:
            signals.release()  # before the first child: it would inherit what is held back
            task_status.started()
            try:
                async for number in received:
                    if signals.MEANINGS[number] is signals.Meaning.RELOAD:
                        reloading.start_soon(nodes.reload, manager)
                    else:
                        nodes.signal(number)
            finally:
                signals.hold()

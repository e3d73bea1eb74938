"""What a shutdown that takes too long still waits for."""

from actors.hooks.dispatcher import HookDispatcher
from actors.node.supervisor import Supervisor
from actors.runtime.logs import get_logger

log = get_logger("server")

MOST = 20
"""Ids in the line."""


def tell_what_is_left(supervisor: Supervisor, dispatcher: HookDispatcher) -> None:
    """One line in the log."""
    hooks = dispatcher.statistics()
    log.error(
        "shutdown took too long",
        setting="shutdown_timeout",
        left=" ".join(supervisor.remaining()[:MOST]) or "none",
        hooks=hooks.waiting + hooks.connections_leased,
    )

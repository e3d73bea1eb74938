"""Puts together what the operator's commands act on."""

from collections.abc import Awaitable, Callable, Iterable

from actors.access.control import AccessControl
from actors.metrics.measured import MeasuredServer
from actors.node.ports.drain import DrainPort
from actors.operator.commands.accounts import AccountCommands
from actors.operator.commands.app_trials import AppTrials
from actors.operator.commands.completing import Completer
from actors.operator.commands.desk import CommandDesk
from actors.operator.commands.live import LiveCommands
from actors.operator.commands.remote import RemoteOperators
from actors.operator.commands.server import ServerCommands
from actors.operator.commands.sources import SourceDesk
from actors.operator.commands.spool import SpoolCommands
from actors.operator.commands.watch import NodeFacts, WatchCommands
from actors.settings.reload import ReloadReport
from actors.storage.app_store import AppStore
from actors.storage.source_store import SourceStore
from protocol.cluster.members import MemberInfo


def make_desk(
    *,
    apps: AppStore,
    access: AccessControl,
    live: LiveCommands,
    parts: MeasuredServer,
    node_id: str,
    reload: Callable[..., Awaitable[ReloadReport]],
    page_url: Callable[[], str],
    sources: SourceStore,
    drains: DrainPort,
    other_nodes: Callable[[], Iterable[MemberInfo]] = tuple,
    degraded: Callable[[], Iterable[str]] = tuple,
) -> CommandDesk:
    """The desk of a whole server. `page_url`: the address of the start page, for people."""
    facts = NodeFacts(
        node_id=node_id,
        drain=parts.drain,
        sessions=lambda: parts.supervisor.session_count,
        overload=parts.overload,
        others=other_nodes,
        degraded=degraded,
    )
    return CommandDesk(
        apps=apps,
        accounts=AccountCommands(access, lambda: apps.table, page_url),
        server=ServerCommands(drain=drains, reload=reload),
        live=live,
        trials=AppTrials(table=lambda: apps.table, settings=live.settings, node_id=node_id),
        kept=SpoolCommands(parts.dispatcher, lambda: apps.table),
        sources=SourceDesk(sources),
        watch=WatchCommands(events=parts.supervisor.events, hooks=parts.dispatcher, node=facts),
        completer=Completer(apps=apps, access=access, sources=sources, node=live.node, rooms=live.rooms),
        remote=RemoteOperators(access=access),
        audit=access.audit,
        counts=parts.web,
    )

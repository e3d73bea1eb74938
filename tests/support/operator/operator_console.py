"""A server's operator console on its own, and the program `wcs` as a process beside it."""

import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import trio
from attrs import frozen

from actors.access.audit import AuditLog
from actors.access.control import AccessControl
from actors.events.event_log import EventLog
from actors.hooks.dispatcher import HookDispatcher
from actors.node.bans import Bans
from actors.node.drain import Drain
from actors.node.ports.control import NodeControl
from actors.node.ports.drain import LocalDrain
from actors.node.supervisor import Supervisor
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
from actors.operator.server import serve_operator
from actors.runtime.overload import Overload
from actors.settings.reload import no_reload
from actors.storage.account_store import open_account_store
from actors.storage.app_store import AppStore, open_app_store
from actors.storage.default_paths import SOCKET_NAME
from actors.storage.source_store import SourceStore, open_source_store
from config.settings import Settings
from config.tables.sources_file import write_sources
from protocol.capture.named_sources import SourceTable
from protocol.metrics.hook_counts import HookCounts
from tests.support.web.access import access_of
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_rig import messages_to

ROOT = Path(__file__).resolve().parents[3]


@frozen(kw_only=True)
class Console:
    """A running operator's console over the state folder `state`."""

    state: Path
    store: AppStore
    access: AccessControl
    audit: list[str]

    @property
    def socket(self) -> Path:
        """Where the console listens."""
        return self.state / SOCKET_NAME

    async def wcs(self, *arguments: str, stdin: str = "") -> "CompletedProcess[bytes]":
        """Run `wcs` with these arguments on this state folder."""
        return await run_wcs("--state", str(self.state), *arguments, stdin=stdin)

    async def done(self, *arguments: str) -> str:
        """What `wcs` prints for a command that must succeed."""
        process = await self.wcs(*arguments)
        assert (process.returncode, process.stderr) == (0, b"")
        return process.stdout.decode()

    async def connect(self) -> trio.SocketStream:
        """A connection of a program that is not `wcs`."""
        return await trio.open_unix_socket(self.socket)


async def run_wcs(*arguments: str, stdin: str = "") -> "CompletedProcess[bytes]":
    """Run `wcs` from a checkout, warnings being errors."""
    command = [sys.executable, "-W", "error", "-m", "actors.operator.wcs.client", *arguments]
    return await trio.run_process(
        command, stdin=stdin.encode(), capture_stdout=True, capture_stderr=True, check=False, cwd=ROOT
    )


async def open_console(
    nursery: trio.Nursery,
    state: Path,
    *,
    policy: Callable[[bool], bool] = lambda has_accounts: has_accounts,
    live: LiveCommands | None = None,
    watch: WatchCommands | None = None,
) -> Console:
    """Start a console in `nursery`; it ends with it. `policy`: whether callers of REST must log in."""
    store, audit = open_app_store(state / "apps.toml"), list[str]()
    access = AccessControl(open_account_store(state / "users.toml"), policy=policy, audit=AuditLog(audit.append))
    await nursery.start(
        serve_operator,
        state / SOCKET_NAME,
        desk_of(store, access, live, watch, open_source_store(state / "sources.toml")),
    )
    return Console(state=state, store=store, access=access, audit=audit)


def live_commands_on(node: NodeControl, *, settings: Settings | None = None, bans: Bans | None = None) -> LiveCommands:
    """The commands about what is live, on a node without rooms."""
    rooms = messages_to(Supervisor()).rooms
    return LiveCommands(node=node, rooms=rooms, bans=bans or Bans(), settings=settings or Settings())


def desk_of(
    store: AppStore,
    access: AccessControl | None = None,
    live: LiveCommands | None = None,
    watch: WatchCommands | None = None,
    sources: SourceStore | None = None,
) -> CommandDesk:
    """What a console's commands act on."""
    access = access or access_of(Path(os.devnull), is_required=False)
    accounts = AccountCommands(access, lambda: store.table, lambda: "http://127.0.0.1:8081/")
    server = ServerCommands(drain=LocalDrain(Drain()), reload=no_reload)
    trials = AppTrials(table=lambda: store.table, settings=Settings(rest_request_timeout=5.0), node_id="node")
    live = live or live_commands_on(StreamWorld())
    sources = sources or SourceStore(Path(os.devnull) / "sources.toml", SourceTable(), None, write_sources)
    return CommandDesk(
        apps=store,
        accounts=accounts,
        server=server,
        live=live,
        trials=trials,
        kept=SpoolCommands(HookDispatcher(Settings()), lambda: store.table),
        sources=SourceDesk(sources),
        watch=watch or watch_commands_on(EventLog()),
        completer=Completer(apps=store, access=access, sources=sources, node=live.node, rooms=live.rooms),
        remote=RemoteOperators(access=access),
        audit=access.audit,
    )


def watch_commands_on(events: EventLog, counts: HookCounts | None = None) -> WatchCommands:
    """The commands that watch a server, on these events and hooks, and an idle node."""
    node = NodeFacts(node_id="node", drain=Drain(), sessions=lambda: 0, overload=Overload(math.inf))
    return WatchCommands(events=events, hooks=HookDispatcher(Settings(), counts=counts), node=node)


async def receive_answer(stream: trio.abc.ReceiveStream) -> Any:
    """The next answer of the console."""
    data = bytearray()
    while not data.endswith(b"\n"):
        chunk = await stream.receive_some()
        assert chunk, f"the connection ended in the middle of an answer: {data!r}"
        data += chunk
    return json.loads(data)

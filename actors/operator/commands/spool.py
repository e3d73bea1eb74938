"""What the commands about kept hooks do."""

from collections.abc import Callable

from actors.hooks.dispatcher import HookDispatcher
from actors.hooks.hook_request import iso_time
from actors.operator.commands.live import counted
from actors.storage.hook_spool import SpoolFileError
from config.apps import AppTable
from protocol.common.durations import shown_age
from protocol.hooks.kept_hook import KeptHook
from protocol.operator.messages import Answer, Done, ErrorKind, NotDone, Row
from protocol.operator.spool_commands import DropSpool, ReplaySpool, ShowSpool, SpoolCommand


class SpoolCommands:
    """Carries them out. An application that is gone is named by its key."""

    def __init__(self, dispatcher: HookDispatcher, table: Callable[[], AppTable]) -> None:
        self._spool = dispatcher.spool
        self._replayer = dispatcher.replay
        self._table = table

    async def execute(self, command: SpoolCommand) -> Answer:
        """What came of the command."""
        try:
            match command:
                case ShowSpool(detail=True):
                    return await self._show_hooks(command)
                case ShowSpool():
                    return self._show(command)
                case ReplaySpool():
                    return self._replay(command)
                case DropSpool():
                    return await self._drop(command)
        except SpoolFileError as error:
            return NotDone(error=ErrorKind.FAILED, message=str(error))

    def _show(self, command: ShowSpool) -> Answer:
        keys = self._keys(command)
        rows = [self._row(key) for key in keys]
        return Done(rows=rows, message="" if rows else "no hook is kept")

    def _row(self, key: str) -> Row:
        total = self._spool.index.totals[key]
        oldest = None if total.oldest is None else shown_age(self._spool.wall_clock() - total.oldest)
        unwritten = self._spool.unwritten_of(key)
        return {
            "appKey": key,
            "hooks": total.rows,
            "ends": total.ends,
            "bytes": total.size,
            "oldest": oldest,
            "unwritten": unwritten,
        }

    async def _show_hooks(self, command: ShowSpool) -> Answer:
        found: list[KeptHook] = []
        for key in self._keys(command):
            found += await self._spool.look(key, limit=command.limit - len(found))
            if len(found) >= command.limit:
                break
        message = f"{len(found):,} of {counted(self._spool.index.rows, 'hook')}" if found else "no hook is kept"
        return Done(rows=[_detail_row(hook) for hook in found], message=message)

    def _keys(self, command: ShowSpool) -> list[str]:
        kept = self._spool.index.totals
        if command.app is None:
            return list(kept)
        key = self._key(command.app)
        return [key] if key in kept else []

    def _key(self, named: str) -> str:
        table = self._table()
        app = table.by_name(named) or table.by_key(named)
        return named if app is None else app.key

    def _replay(self, command: ReplaySpool) -> Answer:
        key = self._key(command.app)
        total = self._spool.index.totals.get(key)
        if total is None or not self._replayer.go_on(key, insists=command.now):
            return _nothing(key)
        message = f"{counted(total.rows, 'hook')} of {key}: sent from now on"
        return Done(message=message, changed=True, facts={"app": key, "hooks": total.rows, "now": command.now})

    async def _drop(self, command: DropSpool) -> Answer:
        key = self._key(command.app)
        total = self._spool.index.totals.get(key)
        if total is None:
            return _nothing(key)
        if not command.is_confirmed:
            question = f"drop {counted(total.rows, 'hook')} of {key}, which its backend will never get?"
            return NotDone(error=ErrorKind.UNCONFIRMED, message=question)
        dropped = await self._spool.drop(key)
        message = f"{counted(dropped, 'hook')} of {key} dropped"
        return Done(message=message, changed=True, facts={"app": key, "hooks": dropped})


def _detail_row(hook: KeptHook) -> Row:
    """All but the body."""
    return {
        "time": iso_time(hook.event_time),
        "appKey": hook.app_key,
        "method": hook.method.value,
        "sessionId": hook.lane or None,
        "id": hook.hook_id,
        "end": hook.last,
        "bytes": hook.size,
    }


def _nothing(key: str) -> NotDone:
    return NotDone(error=ErrorKind.REFUSED, message=f"no hook of {key} is kept")

"""Changes and tests applications for REST and the console: what the operator's commands do, and nothing else."""

from collections.abc import Callable

from attrs import frozen

from actors.hooks.trial import TrialReport
from actors.operator.commands.app_trials import AppTrials
from actors.operator.commands.apps import execute
from actors.runtime.logs import get_logger
from actors.storage.app_store import AppStore
from config.apps import App, AppTable
from config.settings import Settings
from protocol.hooks import HookMethod
from protocol.operator.commands import AddApp, AppCommand, RemoveApp, UpdateApp
from protocol.operator.messages import Done

log = get_logger("operator")

_NAMES = {AddApp: "add app", UpdateApp: "update app", RemoveApp: "remove app"}


@frozen
class AppDesk:
    """The applications of one server."""

    store: AppStore
    trials: AppTrials

    def all(self) -> tuple[App, ...]:
        """As of now."""
        return self.store.all()

    async def change(self, command_for: Callable[[AppTable], AppCommand], *, by: str) -> tuple[Done, AppTable]:
        """Carry out the command that fits the table as it is then; what came of it, and the table.

        Raises AppError and TableStoreError, or what `command_for` raises: nothing has changed then.
        """
        made: list[AppCommand] = []

        def change(table: AppTable) -> tuple[AppTable, tuple[Done, AppTable]]:
            made.append(command_for(table))
            after, done = execute(made[0], table)
            return after, (done, after)

        done, table = await self.store.change(change)
        if done.changed:
            log.info("changed by an operator", command=_NAMES.get(type(made[0]), ""), change=done.message, by=by)
        return done, table

    async def test(self, app: App, method: HookMethod) -> TrialReport:
        """A marked hook to its backend."""
        return await self.trials.run(app, method)


def app_desk(store: AppStore, settings: Settings, node_id: str) -> AppDesk:
    """The desk of a whole server."""
    return AppDesk(store, AppTrials(table=lambda: store.table, settings=settings, node_id=node_id))

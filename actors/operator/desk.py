"""Carries out the operator's commands, whatever they are about, and writes down what was done."""

from attrs import field, frozen

from actors.access.audit import AuditLog
from actors.operator.accounts import AccountCommands, PasswordNeeded
from actors.operator.app_trials import AppTrials
from actors.operator.execute import execute
from actors.operator.live import LiveCommands
from actors.operator.server_commands import ServerCommands
from actors.operator.spool_commands import SpoolCommands
from actors.runtime.logs import get_logger
from actors.storage.app_store import AppStore
from actors.storage.table_store import TableStoreError
from config.apps import AppError, AppTable
from protocol.access.accounts import AccountError
from protocol.metrics.web_counts import WebCounts
from protocol.operator.account_commands import AccountCommand
from protocol.operator.commands import Command, TryApp, parse
from protocol.operator.live_commands import LiveCommand
from protocol.operator.messages import Answer, Done, ErrorKind, NotDone
from protocol.operator.server_commands import ServerCommand
from protocol.operator.spool_commands import SpoolCommand
from protocol.operator.syntax import find_verb

log = get_logger("operator")


@frozen
class CommandDesk:
    """Everything that commands act on."""

    apps: AppStore
    accounts: AccountCommands
    server: ServerCommands
    live: LiveCommands
    trials: AppTrials
    kept: SpoolCommands
    audit: AuditLog
    counts: WebCounts = field(factory=WebCounts)

    async def answer(self, words: tuple[str, ...], who: str) -> Answer:
        """Carry out a command and say what came of it. `who` is behind the connection. CommandError if it is none."""
        command, name = parse(words), find_verb(words)[0].name
        answer = await self._answer(command, who)
        self._write_down(answer, name, who)
        return answer

    def _write_down(self, answer: Answer, name: str, who: str) -> None:
        """Into the log what has changed; into the audit file that, what was refused, and what has facts for it."""
        self.counts.command(name, result=str(answer.error) if isinstance(answer, NotDone) else "done")
        result = answer.message.partition("\n")[0]
        if isinstance(answer, NotDone):
            if answer.error is not ErrorKind.UNCONFIRMED:
                self.audit.done(who=who, source="wcs", what=name, result=result, **answer.facts)
            return
        if answer.changed:
            log.info("changed by an operator", command=name, change=result, by=who)
        if answer.changed or answer.facts:
            self.audit.done(who=who, source="wcs", what=name, result=result, **answer.facts)

    async def _answer(self, command: Command, who: str) -> Answer:
        try:
            return await self._carry_out(command, who)
        except PasswordNeeded as needed:
            return NotDone(error=ErrorKind.PASSWORD, message=str(needed))
        except (AppError, AccountError) as error:
            return NotDone(error=ErrorKind.REFUSED, message=str(error))
        except TableStoreError as error:
            log.error("a change is not kept", cause=str(error))
            return NotDone(error=ErrorKind.FAILED, message=str(error))

    async def _carry_out(self, command: Command, who: str) -> Answer:
        if isinstance(command, ServerCommand):
            return await self.server.execute(command, who)
        if isinstance(command, SpoolCommand):
            return await self.kept.execute(command)
        if isinstance(command, LiveCommand):
            return await self.live.execute(command, who)
        if isinstance(command, TryApp):
            return await self.trials.execute(command)
        if isinstance(command, AccountCommand):
            return await self.accounts.execute(command)

        def change(table: AppTable) -> tuple[AppTable, Done]:
            return execute(command, table)

        return await self.apps.change(change)

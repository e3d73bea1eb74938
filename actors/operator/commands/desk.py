"""Carries out the operator's commands, whatever they are about, and writes down what was done."""

from attrs import evolve, field, frozen

from actors.access.audit import AuditLog
from actors.operator.commands.accounts import AccountCommands, PasswordNeeded
from actors.operator.commands.app_trials import AppTrials
from actors.operator.commands.apps import execute
from actors.operator.commands.completing import Completer
from actors.operator.commands.live import LiveCommands
from actors.operator.commands.remote import RemoteOperators
from actors.operator.commands.server import ServerCommands
from actors.operator.commands.sources import SourceDesk
from actors.operator.commands.spool import SpoolCommands
from actors.operator.commands.watch import WatchCommands
from actors.runtime.logs import get_logger
from actors.storage.app_store import AppStore
from actors.storage.table_store import TableStoreError
from config.apps import AppError, AppTable
from protocol.access.accounts import AccountError
from protocol.capture.named_sources import SourceError
from protocol.metrics.web_counts import WebCounts
from protocol.operator.account_commands import AccountCommand
from protocol.operator.callers import NotPermitted, Operator, permitted
from protocol.operator.commands import Command, TryApp, parse
from protocol.operator.grammar import CommandError
from protocol.operator.live_commands import LiveCommand, ShowTop
from protocol.operator.messages import Answer, Done, ErrorKind, Form, NotDone, OperatorRequest
from protocol.operator.server_commands import ServerCommand
from protocol.operator.source_commands import SourceCommand
from protocol.operator.spool_commands import SpoolCommand
from protocol.operator.syntax import find_verb
from protocol.operator.watch_commands import TailEvents, WatchCommand

log = get_logger("operator")

UNKNOWN = "unknown command"
TOP_PAUSE = 2.0
"""Seconds between two pictures of `wcs top`."""


@frozen
class CommandDesk:
    """Everything that commands act on."""

    apps: AppStore
    accounts: AccountCommands
    server: ServerCommands
    live: LiveCommands
    trials: AppTrials
    kept: SpoolCommands
    sources: SourceDesk
    watch: WatchCommands
    completer: Completer
    remote: RemoteOperators
    audit: AuditLog
    counts: WebCounts = field(factory=WebCounts)

    async def serve(self, request: OperatorRequest, operator: Operator) -> Answer:
        """What is answered to a request of the operator who has connected. CommandError for what is no command."""
        if request.login is not None:
            return await self.remote.log_in(request.login)
        if request.user is not None:
            try:
                operator = self.remote.operator(request.user)
            except NotPermitted as refusal:
                return self._refuse(request, self.remote.somebody(request.user), str(refusal))
        if request.incomplete is not None:
            return await self.complete(request.incomplete, operator)
        return await self.answer(request.words, operator) if request.words else Done()

    async def answer(self, words: tuple[str, ...], operator: Operator) -> Answer:
        """Carry out a command and say what came of it. CommandError if it is none."""
        try:
            command, name = parse(words), find_verb(words)[0].name
        except CommandError:
            if operator.is_remote:
                self._write_down_attempt(words, operator, "not a command")
            raise
        answer = await self._answer(command, operator)
        goes_on = isinstance(command, TailEvents) and command.after is not None
        if not goes_on:
            self._write_down(answer, name, operator)
        return answer

    async def complete(self, line: str, operator: Operator) -> Done:
        """What may come next in a command that is being written."""
        return Done(rows=[{"word": word} for word in await self.completer.complete(line, operator)])

    def _refuse(self, request: OperatorRequest, operator: Operator, why: str) -> NotDone:
        if request.words:
            self._write_down_attempt(request.words, operator, why)
        return NotDone(error=ErrorKind.REFUSED, message=why)

    def _write_down_attempt(self, words: tuple[str, ...], operator: Operator, why: str) -> None:
        """Into the audit file, but none of the words that are no command: there may be a password among them."""
        try:
            name = find_verb(words)[0].name
        except CommandError:
            name = UNKNOWN
        self.audit.done(who=operator.who, source=operator.source, what=name, result=why)

    def _write_down(self, answer: Answer, name: str, operator: Operator) -> None:
        """Into the log what has changed; into the audit file that, what was refused, and what has facts for it.

        What came from elsewhere is written there in any case.
        """
        self.counts.command(name, result=str(answer.error) if isinstance(answer, NotDone) else "done")
        result = answer.message.partition("\n")[0]
        is_refused = isinstance(answer, NotDone) and answer.error is not ErrorKind.UNCONFIRMED
        is_changed = isinstance(answer, Done) and answer.changed
        if is_changed:
            log.info("changed by an operator", command=name, change=result, by=operator.who)
        if is_refused or is_changed or answer.facts or operator.is_remote:
            self.audit.done(who=operator.who, source=operator.source, what=name, result=result, **answer.facts)

    async def _answer(self, command: Command, operator: Operator) -> Answer:
        try:
            return await self._carry_out(permitted(command, operator), operator.who)
        except NotPermitted as refusal:
            return NotDone(error=ErrorKind.REFUSED, message=str(refusal))
        except PasswordNeeded as needed:
            return NotDone(error=ErrorKind.PASSWORD, message=str(needed))
        except (AppError, AccountError, SourceError) as error:
            return NotDone(error=ErrorKind.REFUSED, message=str(error))
        except TableStoreError as error:
            log.error("a change is not kept", cause=str(error))
            return NotDone(error=ErrorKind.FAILED, message=str(error))

    async def _carry_out(self, command: Command, who: str) -> Answer:
        if isinstance(command, ServerCommand):
            return await self.server.execute(command, who)
        if isinstance(command, SpoolCommand):
            return await self.kept.execute(command)
        if isinstance(command, SourceCommand):
            return await self.sources.execute(command)
        if isinstance(command, ShowTop):
            return await self._top(command, who)
        if isinstance(command, LiveCommand):
            return await self.live.execute(command, who)
        if isinstance(command, WatchCommand):
            return await self.watch.execute(command)
        if isinstance(command, TryApp):
            return await self.trials.execute(command)
        if isinstance(command, AccountCommand):
            return await self.accounts.execute(command)

        def change(table: AppTable) -> tuple[AppTable, Done]:
            return execute(command, table)

        return await self.apps.change(change)

    async def _top(self, command: ShowTop, who: str) -> Answer:
        answer = await self.live.execute(command, who)
        if not isinstance(answer, Done):
            return answer
        told = [self.watch.node.line()] if command.filter.app_keys is None else []
        message = "\n".join([*told, *([answer.message] if answer.message else [])])
        return evolve(answer, form=Form.SCREEN, message=message, follow=("top", *command.words), pause=TOP_PAUSE)

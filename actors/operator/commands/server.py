"""What the commands about the server as a whole do."""

from collections.abc import Awaitable, Callable

from attrs import frozen

from actors.node.drain import NotDrainable
from actors.node.ports.drain import DrainPort
from actors.settings.reload import ReloadReport
from config.changes import SettingChange
from config.loading import SettingsError
from protocol.common.durations import shown_duration
from protocol.node.server_state import DrainReport
from protocol.operator.messages import Answer, Done, ErrorKind, NotDone
from protocol.operator.server_commands import DrainServer, ReloadSettings, ServerCommand, UndrainServer


@frozen(kw_only=True)
class ServerCommands:
    """Carries them out."""

    drain: DrainPort
    reload: Callable[..., Awaitable[ReloadReport]]

    async def execute(self, command: ServerCommand, who: str) -> Answer:
        """What came of the command. `who` gave it."""
        try:
            match command:
                case DrainServer(timeout=timeout, node=node):
                    done = await self.drain.begin(timeout, by=who, node=node)
                case UndrainServer(node=node):
                    done = await self.drain.cancel(by=who, node=node)
                case ReloadSettings(check_only=check_only):
                    return await self._reload(who, check_only)
        except NotDrainable as error:
            return NotDone(error=ErrorKind.REFUSED, message=str(error))
        return Done(message=_told(done.report), changed=done.changed)

    async def _reload(self, who: str, check_only: bool) -> Answer:
        try:
            report = await self.reload(by=who, check_only=check_only)
        except SettingsError as error:
            return NotDone(error=ErrorKind.REFUSED, message=f"nothing has changed:\n{error}")
        would = "would change" if check_only else "changed"
        lines = [f"warning: {warning}" for warning in report.warnings]
        lines += [_change(would, change) for change in report.taken]
        lines += [_change("waits for a restart", change) for change in report.waiting]
        if report.login is not None:
            lines.append(f"{would}: callers of REST {'have' if report.login else 'do not have'} to log in")
        changed = not check_only and (bool(report.taken) or report.login is not None)
        return Done(message="\n".join(lines) or "nothing differs", changed=changed)


def _change(what: str, change: SettingChange) -> str:
    return f"{what}: {change.key}={change.after} (before: {change.before})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def _told(report: DrainReport) -> str:
    publications, viewers = _count(report.publications, "publication"), _count(report.viewers, "viewer")
    message = f"{report.state}: {publications}, {viewers}"
    if report.seconds_left is None:
        return message
    return f"{message}; stops in {shown_duration(report.seconds_left)} in any case"

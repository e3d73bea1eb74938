"""What the commands about the server as a whole do."""

from attrs import frozen

from actors.node.drain import Drain, NotDrainable
from protocol.common.durations import shown_duration
from protocol.node.server_state import DrainReport
from protocol.operator.messages import Answer, Done, ErrorKind, NotDone
from protocol.operator.server_commands import DrainServer, ServerCommand, UndrainServer


@frozen(kw_only=True)
class ServerCommands:
    """Carries them out."""

    drain: Drain

    async def execute(self, command: ServerCommand, who: str) -> Answer:
        """What came of the command. `who` gave it."""
        try:
            match command:
                case DrainServer(timeout=timeout):
                    changed = self.drain.begin(timeout, by=who)
                case UndrainServer():
                    changed = self.drain.cancel(by=who)
        except NotDrainable as error:
            return NotDone(error=ErrorKind.REFUSED, message=str(error))
        return Done(message=_told(self.drain.report()), changed=changed)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


def _told(report: DrainReport) -> str:
    publications, viewers = _count(report.publications, "publication"), _count(report.viewers, "viewer")
    message = f"{report.state}: {publications}, {viewers}"
    if report.seconds_left is None:
        return message
    return f"{message}; stops in {shown_duration(report.seconds_left)} in any case"

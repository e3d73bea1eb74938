"""Who gives the operator's commands, and what that permits."""

from typing import Any

from attrs import evolve, frozen

from protocol.access.roles import Role
from protocol.operator.commands import Command, Help
from protocol.operator.live_commands import LiveCommand, RemoveBans, ShowRegistrations, TerminateStreams
from protocol.operator.watch_commands import ShowEvents, ShowHooks, TailEvents, WatchCommand


@frozen(kw_only=True)
class Operator:
    """Somebody who gives commands. `who` and `source` are for the log and the audit file: `uid 0` by `wcs`."""

    who: str
    source: str = "wcs"
    role: Role = Role.ADMIN
    apps: frozenset[str] | None = None
    """The only applications that the operator sees and acts on; None: all."""
    is_remote: bool = False
    """Whether the operator sits elsewhere: every command is written to the audit file."""


class NotPermitted(Exception):
    """The operator may not give this command; the text says why."""


def permitted(command: Command, operator: Operator) -> Command:
    """The command, narrowed to the applications that the operator is bound to. NotPermitted."""
    needed = needed_role(command)
    if operator.role < needed:
        raise NotPermitted(f"needs the role {needed}; {operator.who} has the role {operator.role}")
    return command if operator.apps is None else _narrowed(command, operator.apps)


def needed_role(command: Command) -> Role:
    """As in the REST API: `view` to look, `operate` to act on what is live, `admin` for the rest."""
    if isinstance(command, TerminateStreams | RemoveBans):
        return Role.OPERATE
    return Role.VIEW if isinstance(command, LiveCommand | WatchCommand | Help) else Role.ADMIN


def _narrowed(command: Command, apps: frozenset[str]) -> Command:
    if isinstance(command, Help):
        return command
    if isinstance(command, LiveCommand) and not isinstance(command, ShowRegistrations):
        narrowed: Any = evolve(command.filter, app_keys=apps)  # each of the filters has it
        return evolve(command, filter=narrowed)
    if isinstance(command, ShowEvents | TailEvents):
        return evolve(command, filter=evolve(command.filter, apps=apps))
    if isinstance(command, ShowHooks):
        return evolve(command, apps=apps)
    raise NotPermitted("concerns all applications, and this login is bound to some")

"""What each role permits at the command line, and what a user sees who is bound to applications."""

import pytest

from protocol.access.roles import Role
from protocol.operator.callers import NotPermitted, Operator, needed_role, permitted
from protocol.operator.commands import parse
from protocol.operator.live_commands import ShowSessions, TerminateStreams
from protocol.operator.watch_commands import ShowHooks, TailEvents

SHOP = frozenset({"shop"})
BOUND = Operator(who="user bea", apps=SHOP)


@pytest.mark.parametrize(
    ("line", "role"),
    [
        ("show streams", Role.VIEW),
        ("show bans", Role.VIEW),
        ("show nodes", Role.VIEW),
        ("show calls", Role.VIEW),
        ("show registrations", Role.VIEW),
        ("top", Role.VIEW),
        ("tail", Role.VIEW),
        ("help", Role.VIEW),
        ("terminate --all", Role.OPERATE),
        ("remove bans who=a", Role.OPERATE),
        ("show apps", Role.ADMIN),
        ("show users", Role.ADMIN),
        ("console", Role.ADMIN),
        ("drain", Role.ADMIN),
        ("test app a", Role.ADMIN),
        ("show spool", Role.ADMIN),
    ],
)
def test_each_command_needs_a_role(line: str, role: Role) -> None:
    command = parse(line.split())
    assert needed_role(command) is role
    assert permitted(command, Operator(who="user a", role=role)) is command
    with pytest.raises(NotPermitted, match=f"needs the role {role}; user a has the role {Role(role - 1)}"):
        permitted(command, Operator(who="user a", role=Role(role - 1)))


def test_a_bound_user_sees_and_ends_only_what_is_theirs() -> None:
    sessions = permitted(parse(["show", "sessions"]), BOUND)
    assert isinstance(sessions, ShowSessions)
    assert sessions.filter.app_keys == SHOP
    terminate = permitted(parse(["terminate", "--all"]), BOUND)
    assert isinstance(terminate, TerminateStreams)
    assert terminate.filter.app_keys == SHOP
    tail = permitted(parse(["tail", "appKey=other"]), BOUND)
    assert isinstance(tail, TailEvents)
    assert (tail.filter.app, tail.filter.apps) == ("other", SHOP)
    hooks = permitted(parse(["show", "hooks"]), BOUND)
    assert isinstance(hooks, ShowHooks)
    assert hooks.apps == SHOP
    assert permitted(parse(["help"]), BOUND) == parse(["help"])


@pytest.mark.parametrize("line", ["show apps", "show nodes", "show registrations", "drain", "add user x", "reload"])
def test_the_rest_concerns_all_applications(line: str) -> None:
    with pytest.raises(NotPermitted, match="concerns all applications"):
        permitted(parse(line.split()), BOUND)

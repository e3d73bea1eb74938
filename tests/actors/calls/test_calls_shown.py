"""Calls and registrations as operators see them: at the command line and in the console."""

from pathlib import Path

import pytest
from attrs import evolve

from actors.calls.all_calls.call_table import CallTable
from actors.calls.by_rest.call_control import CallControl
from actors.calls.sip.registration_table import RegistrationTable
from actors.node.supervisor import Supervisor
from actors.web.api.server.monitoring import Monitoring
from protocol.access.roles import Role
from protocol.calls.statuses import CallStatus
from protocol.operator.commands import parse
from protocol.operator.live_commands import LiveCommand
from protocol.operator.messages import Done, NotDone
from protocol.sip.accounts.account_states import RegistrationDescription, RegistrationState
from tests.support.calls.listed_call import ListedActor, description
from tests.support.operator.operator_console import live_commands_on
from tests.support.web.access import access_of, bearer, token
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_rig import client_of

HOSTILE = "\x1b[2J"


class ListedAccount:
    """A registration that does nothing."""

    def __init__(self, account: str, state: RegistrationState, status: int = 0, why: str = "") -> None:
        self._description = RegistrationDescription(
            account=account, server="pbx.example", state=state, status=status, why=why
        )

    def describe(self) -> RegistrationDescription:
        return self._description


@pytest.fixture
async def control() -> CallControl:
    """Two calls, and two registrations."""
    calls, accounts = CallTable(), RegistrationTable()
    calls.add(ListedActor(description("c1", visible_name=HOSTILE)))
    calls.add(ListedActor(description("c2", incoming=True, status=CallStatus.RING, app_key="shop")))
    accounts.add(ListedAccount("alice@pbx.example", RegistrationState.REGISTERED))
    accounts.add(ListedAccount("bob@pbx.example", RegistrationState.FAILED, 403, "Forbidden"))
    return CallControl(calls, Supervisor(), accounts)


async def shown(control: CallControl | None, line: str) -> Done | NotDone:
    live = evolve(live_commands_on(StreamWorld()), calls=control)
    command = parse(line.split())
    assert isinstance(command, LiveCommand)
    answer = await live.execute(command, "somebody")
    assert isinstance(answer, Done | NotDone)
    return answer


async def test_calls_at_the_command_line(control: CallControl) -> None:
    answer = await shown(control, "show calls --sort -callId")
    assert isinstance(answer, Done)
    assert [row["callId"] for row in answer.rows] == ["c2", "c1"]
    assert "s3cret" not in str(answer.rows)
    some = await shown(control, "show calls status=RING")
    assert isinstance(some, Done)
    assert [row["appKey"] for row in some.rows] == ["shop"]


async def test_registrations_at_the_command_line(control: CallControl) -> None:
    answer = await shown(control, "show registrations state=failed")
    assert isinstance(answer, Done)
    (row,) = answer.rows
    assert (row["account"], row["status"], row["why"]) == ("bob@pbx.example", 403, "Forbidden")


@pytest.mark.parametrize("line", ["show calls", "show registrations"])
async def test_without_sip_there_is_nothing_to_show(line: str) -> None:
    answer = await shown(None, line)
    assert isinstance(answer, NotDone)
    assert "sip.servers" in answer.message


async def test_calls_in_the_console(control: CallControl, tmp_path: Path) -> None:
    tokens = token("shop", Role.VIEW, apps=frozenset({"shop"})), token("free", Role.VIEW)
    access = access_of(tmp_path / "users.toml", *tokens)
    async with client_of(StreamWorld(), monitoring=Monitoring(phones=control), access=access) as client:
        free, bound = ({"Authorization": bearer(name)} for name in ("free", "shop"))
        line = (await client.get("/page/overview", headers=free)).json()["sip"]
        assert line == {"calls": 2, "registrations": {"registering": 0, "registered": 1, "failed": 1}}
        rows = (await client.get("/page/calls", headers=free)).json()["calls"]
        assert [(row["callId"], row["direction"], row["status"]) for row in rows] == [
            ("c1", "out", "ESTABLISHED"),
            ("c2", "in", "RING"),
        ]
        assert (await client.get("/page/overview", headers=bound)).json()["sip"] == {"calls": 1, "registrations": None}
        assert [row["callId"] for row in (await client.get("/page/calls", headers=bound)).json()["calls"]] == ["c2"]


async def test_a_console_without_sip(control: CallControl) -> None:
    async with client_of(StreamWorld()) as client:
        assert (await client.get("/page/overview")).json()["sip"] is None
        assert (await client.get("/page/calls")).json() == {"total": 0, "calls": []}

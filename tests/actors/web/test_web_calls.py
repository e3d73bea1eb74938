"""`/rest-api/call/...`: which calls it shows and ends, and for whom."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from actors.calls.all_calls.call_table import CallTable
from actors.calls.by_rest.call_control import CallControl
from actors.node.supervisor import Supervisor
from actors.runtime.actor import SHUTDOWN
from actors.web.media_routes import MediaPorts
from protocol.access.roles import Role
from protocol.calls.description import CallDescription
from protocol.calls.statuses import CallStatus
from tests.support.calls.listed_call import ListedActor, description
from tests.support.web.access import access_of, bearer, token
from tests.support.web.openapi import PATH, Described
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_rig import client_of

UP = description("c1")
RINGING = description("c2", incoming=True, status=CallStatus.RING, callee="1001", app_key="shop", sip_status=0)


@asynccontextmanager
async def calls_of(*calls: CallDescription) -> AsyncIterator[tuple[MediaPorts, dict[str, ListedActor]]]:
    """Calls that run."""
    table, supervisor = CallTable(), Supervisor()
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        running = {call.call_id: ListedActor(call) for call in calls}
        for actor in running.values():
            table.add(actor)
            supervisor.adopt_other("call", actor)
        yield MediaPorts(calls=CallControl(table, supervisor)), running
        supervisor.close(SHUTDOWN)


async def post(client: httpx.AsyncClient, what: str, by: str | None = None, **body: Any) -> httpx.Response:
    headers = {"Content-Type": "application/json"} | ({} if by is None else {"Authorization": bearer(by)})
    return await client.post(f"/rest-api/call/{what}", content=json.dumps(body), headers=headers)


def ids(answer: httpx.Response) -> list[str]:
    return [call["callId"] for call in answer.json()] if answer.is_success else []


async def test_calls_are_found_by_what_they_are() -> None:
    async with calls_of(UP, RINGING) as (media, _), client_of(StreamWorld(), media=media) as client:
        described = Described((await client.get(PATH)).json())
        every = await client.get("/rest-api/call/find_all")
        described.check(every)
        assert ids(every) == ["c1", "c2"]
        for wanted, found in (
            ({"callId": "c2"}, ["c2"]),
            ({"callee": 1000}, ["c1"]),
            ({"status": "RING"}, ["c2"]),
            ({"appKey": "shop", "callee": "1000"}, []),
            ({"sessionId": "s1", "offset": 1}, ["c2"]),
        ):
            answer = await post(client, "find", **wanted)
            described.check(answer)
            assert ids(answer) == found
            assert answer.status_code == (200 if found else 404)
        assert (await post(client, "find", calId="c1")).status_code == 400
        assert (await client.post("/rest-api/call/find?callId=c1")).status_code == 400
    shown = every.json()[0]
    assert "s3cret" not in every.text
    assert (shown["status"], shown["sipStatus"], shown["createDate"]) == ("ESTABLISHED", 200, 1_090_000)


async def test_a_call_is_ended_by_its_id() -> None:
    async with calls_of(UP, RINGING) as (media, running), client_of(StreamWorld(), media=media) as client:
        described = Described((await client.get(PATH)).json())
        answers = [await post(client, "terminate", **body) for body in ({"callId": "c1"}, {"callId": "c1"}, {})]
        for answer in answers:
            described.check(answer)
        assert [answer.status_code for answer in answers] == [200, 404, 400]
        reason = running["c1"].reason
        assert reason is not None
        assert (reason.cause, reason.info) == ("rest-terminate", "Stopped by rest /terminate")
        assert running["c1"].stopped.is_set()
        assert running["c2"].reason is None
        assert ids(await post(client, "find_all")) == ["c2"]


async def test_each_login_has_the_calls_of_its_applications(tmp_path: Path) -> None:
    lines: list[str] = []
    access = access_of(
        tmp_path / "users.toml",
        token("viewer", Role.VIEW),
        token("bound", Role.OPERATE, apps=frozenset({"shop"})),
        audit=lines.append,
    )
    async with calls_of(UP, RINGING) as (media, running):
        async with client_of(StreamWorld(), media=media, access=access) as client:
            assert ids(await post(client, "find_all", "viewer")) == ["c1", "c2"]
            assert ids(await post(client, "find_all", "bound")) == ["c2"]
            assert (await post(client, "terminate", "viewer", callId="c2")).status_code == 403
            assert (await post(client, "terminate", "bound", callId="c1")).status_code == 404
            assert (await post(client, "terminate", "bound", callId="c2")).is_success
        assert running["c1"].reason is None
    noted = [json.loads(line) for line in lines if '"matched":1' in line]
    assert [line["filter"] for line in noted] == [{"call_id": "c2", "bound_to": "shop"}]


async def test_digits_go_to_the_phone_of_a_call_and_into_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines: list[str] = []
    access = access_of(
        tmp_path / "users.toml", token("bound", Role.OPERATE, apps=frozenset({"shop"})), audit=lines.append
    )
    async with calls_of(UP, RINGING) as (media, running):
        async with client_of(StreamWorld(), media=media, access=access) as client:

            async def send(**body: Any) -> int:
                return (await post(client, "send_dtmf", "bound", **body)).status_code

            assert await send(callId="c2", dtmf="7391#a") == 200
            assert await send(callId="c2", dtmf=7391, type="INFO") == 200
            assert await send(callId="c1", dtmf="7391") == 404
            for wrong in ({"dtmf": "x"}, {"dtmf": ""}, {"dtmf": "1" * 33}, {"dtmf": "1", "type": "SMS"}, {}):
                assert await send(callId="c2", **wrong) == 400, wrong
            running["c2"].fault = "the call is not up"
            assert await send(callId="c2", dtmf="7391") == 409
        assert running["c2"].digits == [("7391#A", "RFC2833"), ("7391", "INFO")]
    assert "7391" not in "".join(lines) + caplog.text
    assert len([line for line in lines if '"matched":1' in line]) == 2


@pytest.mark.parametrize("method", ["find", "find_all", "terminate", "send_dtmf"])
async def test_without_sip_servers_the_setting_is_named(method: str) -> None:
    digits = {"dtmf": "1"} if method == "send_dtmf" else {}
    async with client_of(StreamWorld()) as client:
        answer = await post(client, method, callId="c1", **digits)
        Described((await client.get(PATH)).json()).check(answer)
    assert answer.status_code == 501
    assert answer.json()["setting"] == "sip.servers"

"""`/rest-api/call/startup` and `inject_...`: who may order what, and what is answered."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import define, field

from actors.node.ports.call_control import NoSuchCall
from actors.node.ports.call_order import NothingToInject, NotInjected
from actors.web.media_routes import MediaPorts
from protocol.access.roles import Role
from protocol.calls.filters import CallFilter
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.order import CallOrder
from protocol.node.filters import StreamFilter
from tests.support.web.access import access_of, bearer, token
from tests.support.web.openapi import PATH, Described
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_rig import client_of

START = {"callId": "c1", "callee": 1000, "account": "support"}
LOGIN = {"sipLogin": "alice", "sipPassword": "s3cret", "sipDomain": "pbx.example", "sipPort": "5080"}


@define(eq=False)
class OrderedCalls:
    """What was ordered; `refusal` is raised instead."""

    orders: list[object] = field(factory=list)
    refusal: Exception | None = None

    @property
    def here(self) -> "OrderedCalls":
        return self

    async def start(self, order: CallOrder) -> None:
        self._take(order)

    async def inject_stream(self, query: CallFilter, stream: StreamFilter) -> None:
        self._take((query, stream))

    async def inject_sound(self, query: CallFilter, file: str) -> None:
        self._take((query, file))

    async def stop_injection(self, query: CallFilter) -> None:
        self._take(query)

    def _take(self, order: object) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.orders.append(order)


async def post(client: httpx.AsyncClient, what: str, body: dict[str, Any], by: str | None = None) -> httpx.Response:
    headers = {"Content-Type": "application/json"} | ({} if by is None else {"Authorization": bearer(by)})
    return await client.post(f"/rest-api/call/{what}", content=json.dumps(body), headers=headers)


async def test_a_call_is_ordered_by_an_account_or_by_its_name() -> None:
    calls = OrderedCalls()
    async with client_of(StreamWorld(), media=MediaPorts(call_orders=calls)) as client:
        described = Described((await client.get(PATH)).json())
        plain = {key: value for key, value in START.items() if key != "account"}
        for body in (START, plain | LOGIN | {"toStream": "line", "hasAudio": "true", "hasVideo": "false"}):
            answer = await post(client, "startup", body)
            described.check(answer)
            assert (answer.status_code, answer.json()) == (200, {})
        for wrong, status in (
            (plain, 400),
            (START | LOGIN, 400),
            (plain | LOGIN | {"sipPort": 0}, 400),
            (START | {"callId": ""}, 400),
            (START | {"toStream": "a\nb"}, 400),
            (START | {"calee": "1"}, 400),
            (START | {"hasAudio": False}, 501),
            (START | {"sipRegisterRequired": "true"}, 501),
            (START | {"rtmpUrl": "rtmp://x/live"}, 501),
        ):
            answer = await post(client, "startup", wrong)
            described.check(answer)
            assert answer.status_code == status, wrong
    first, second = calls.orders
    assert isinstance(first, CallOrder)
    assert (first.account, first.callee, first.app_key, first.login) == ("support", "1000", "defaultApp", None)
    assert isinstance(second, CallOrder)
    assert second.login is not None
    assert (second.login.login, second.login.port, second.to_stream) == ("alice", 5080, "line")
    assert "s3cret" not in repr(second)


@pytest.mark.parametrize(
    ("refused", "status", "setting"),
    [
        (CallRefused(CallInfo.CALL_ID_IN_USE, sip_status=486), 409, None),
        (CallRefused(CallInfo.CALLEE_MALFORMED, "quoted", sip_status=403), 400, None),
        (CallRefused(CallInfo.CALLEE_REFUSED, "sip.callee_deny", sip_status=403), 403, "sip.callee_deny"),
        (CallRefused(CallInfo.UNKNOWN_ACCOUNT, sip_status=404), 404, None),
        (CallRefused(CallInfo.NO_ACCOUNT_FILE, "sip.accounts_file", sip_status=503), 503, "sip.accounts_file"),
        (CallRefused(CallInfo.TOO_MANY_CALLS, "sip.max_calls", sip_status=486), 503, "sip.max_calls"),
        (CallRefused("sipDomain: x is not listed in sip.servers", "sip.servers", sip_status=400), 400, "sip.servers"),
        (CallRefused("Stream name already in use", sip_status=409), 409, None),
    ],
)
async def test_a_call_that_cannot_be_begun(refused: CallRefused, status: int, setting: str | None) -> None:
    media = MediaPorts(call_orders=OrderedCalls(refusal=refused))
    async with client_of(StreamWorld(), media=media) as client:
        answer = await post(client, "startup", START)
        Described((await client.get(PATH)).json()).check(answer)
    assert (answer.status_code, answer.json()["reason"]) == (status, refused.info)
    assert answer.json().get("setting") == setting


async def test_each_login_orders_for_its_applications(tmp_path: Path) -> None:
    lines: list[str] = []
    access = access_of(
        tmp_path / "users.toml",
        token("viewer", Role.VIEW),
        token("bound", Role.OPERATE, apps=frozenset({"shop"})),
        audit=lines.append,
    )
    calls = OrderedCalls()
    async with client_of(StreamWorld(), media=MediaPorts(call_orders=calls), access=access) as client:
        assert (await post(client, "startup", START, "viewer")).status_code == 403
        assert (await post(client, "startup", START, "bound")).status_code == 403
        plain = {key: value for key, value in START.items() if key != "account"} | LOGIN
        assert (await post(client, "startup", plain | {"appKey": "shop"}, "bound")).is_success
        assert (await post(client, "inject_stream", {"callId": "c1", "streamName": "s"}, "bound")).is_success
    shop = frozenset({"shop"})
    assert calls.orders[1:] == [
        (CallFilter(call_id="c1", app_keys=shop), StreamFilter(name="s", published=True, app_keys=shop))
    ]
    assert "s3cret" not in "".join(lines)


@pytest.mark.parametrize(
    ("what", "more"),
    [
        ("inject_stream/startup", {"streamName": "s"}),
        ("inject_stream", {"streamName": "s"}),
        ("inject_sound", {"fileName": "a.wav"}),
    ],
)
async def test_what_a_phone_hears(what: str, more: dict[str, str]) -> None:
    calls = OrderedCalls()
    async with client_of(StreamWorld(), media=MediaPorts(call_orders=calls)) as client:
        described = Described((await client.get(PATH)).json())
        answers = [await post(client, what, {"callId": "c1", **more}), await post(client, what, more)]
        for calls.refusal in (NoSuchCall(), NothingToInject("no such thing"), NotInjected("not G.711")):
            answers.append(await post(client, what, {"callId": "c1", **more}))
        for answer in answers:
            described.check(answer)
    assert [answer.status_code for answer in answers] == [200, 400, 404, 404, 409]
    assert [answer.json()["reason"] for answer in answers[3:]] == ["no such thing", "not G.711"]
    assert len(calls.orders) == 1


@pytest.mark.parametrize("what", ["inject_stream/terminate", "inject_sound/terminate"])
async def test_what_a_phone_hears_ends(what: str) -> None:
    calls = OrderedCalls()
    async with client_of(StreamWorld(), media=MediaPorts(call_orders=calls)) as client:
        described = Described((await client.get(PATH)).json())
        answers = [await post(client, what, {"callId": "c1"}), await post(client, what, {})]
        calls.refusal = NoSuchCall()
        answers.append(await post(client, what, {"callId": "c1"}))
        for answer in answers:
            described.check(answer)
    assert [answer.status_code for answer in answers] == [200, 400, 404]
    assert calls.orders == [CallFilter(call_id="c1")]


@pytest.mark.parametrize("what", ["startup", "inject_sound"])
async def test_without_sip_servers_the_setting_is_named(what: str) -> None:
    body = START if what == "startup" else {"callId": "c1", "fileName": "a.wav"}
    async with client_of(StreamWorld()) as client:
        answer = await post(client, what, body)
    assert (answer.status_code, answer.json()["setting"]) == (501, "sip.servers")

"""Backends that mirror in languages whose JSON is not ours: to a session it is as if they had answered nothing."""

import logging
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from tests.support.session.signaling_rig import signaling_rig, stream_request

CUSTOM = {"token": "007", "seats": [], "options": {}, "position": {"0": "a"}, "id": 2**53 + 1, "nick": ""}
GREEDY = {"restPolicy": "OVERWRITE", "restOverwrite": "custom,name,record,width,payload,info"}


def php(value: Any) -> Any:
    """What PHP reads into arrays and writes again, with JSON_NUMERIC_CHECK and an eye to JavaScript's numbers."""
    if isinstance(value, dict):
        is_list = list(value) == [str(index) for index in range(len(value))]
        return [php(item) for item in value.values()] if is_list else {key: php(item) for key, item in value.items()}
    if isinstance(value, list):
        return [php(item) for item in value]
    if isinstance(value, str):
        return int(value) if value.isdigit() else value or None
    return int(float(value)) if type(value) is int else value


def mirror(method: str, body: Any) -> httpx.Response:
    policies = {"publishStream": GREEDY, "StreamStatusEvent": GREEDY, "sendStreamEvent": GREEDY}
    return httpx.Response(200, json={**php(body), **({"restClientConfig": policies} if method == "connect" else {})})


async def test_a_mirror_changes_nothing_and_leaves_no_warning(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with signaling_rig() as rig:
        for method in ("connect", "publishStream", "StreamStatusEvent", "sendStreamEvent"):
            rig.backend.answers[method] = mirror
        client, _ = await rig.connect(custom=CUSTOM, clientInfo={})
        ((user_data,),) = client.received("getUserData")
        assert "custom" not in user_data
        assert user_data["clientInfo"] == {}
        client.send("publishStream", stream_request("0123", "p", published=True, custom=CUSTOM))
        told = await client.receive("notifyStreamStatusEvent", status="PUBLISHING")
        assert told["name"] == "0123"
        client.send("sendStreamEvent", {"mediaSessionId": "p", "type": "data", "payload": {"cells": {}}})
        await trio.sleep(1)
        events = [body for method, body in rig.backend.calls if method == "StreamStatusEvent"]
        assert [event["custom"] for event in events] == [CUSTOM]
    assert caplog.records == []


async def test_what_a_mirror_changes_arrives_and_the_rest_stays(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        rig.backend.answers["connect"] = lambda _, body: httpx.Response(
            200, json={**php(body), "custom": {**php(body["custom"]), "nick": "anna"}}
        )
        client, _ = await rig.connect(custom=CUSTOM)
        ((user_data,),) = client.received("getUserData")
        assert user_data["custom"] == {**CUSTOM, "nick": "anna"}

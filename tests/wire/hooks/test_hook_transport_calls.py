"""Whole hooks over real sockets: lane, sender and transport before every sort of backend."""

import contextlib
import hmac
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
import trustme
from attrs import evolve

from actors.hooks.dispatcher import HookDispatcher
from actors.hooks.lanes.lane import HookLane
from actors.runtime.actor import StopReason
from config.apps import ALL_METHODS, App
from config.settings import Settings
from protocol.hooks import (
    Allow,
    Deny,
    HookMethod,
    MethodConfig,
    RestClientConfig,
    RestOnError,
    RestPolicy,
    Verdict,
)
from tests.support.hooks import behaviours
from tests.support.hooks.backend import backend_thread, open_backend, refused_url, unaccepting_url
from tests.support.hooks.behaviours import Behaviour

PUBLISH = HookMethod.PUBLISH_STREAM
BODY = {"appKey": "test", "name": "public"}
GO_ON = Allow(body=BODY)
DENIED = Deny(info="Restricted access")
FAIL = MethodConfig(
    rest_on_error=RestOnError.FAIL, rest_policy=RestPolicy.OVERWRITE, rest_overwrite=frozenset({"name"})
)


@contextlib.asynccontextmanager
async def hook_lane(url: str, policy: MethodConfig = FAIL, **settings: Any) -> AsyncIterator[HookLane]:
    """A lane of a dispatcher that runs, before the backend at `url`."""
    dispatcher = HookDispatcher(evolve(Settings(), **settings))
    app = App(name="test", key="test", url=url, methods=frozenset(ALL_METHODS))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dispatcher.run)
        await trio.testing.wait_all_tasks_blocked()
        lane = dispatcher.open_lane(app=app, session_id="session", on_warning=lambda method, info: None)
        lane.config = RestClientConfig({PUBLISH: policy})
        with trio.fail_after(60):
            yield lane
        dispatcher.stop(StopReason(cause="test-over"))


@pytest.mark.parametrize(
    ("behaviour", "judged", "attempts"),
    [
        (behaviours.allow, GO_ON, 1),
        (behaviours.empty, Allow(body=BODY, warnings=("nothing to overwrite: the body is empty",)), 1),
        (behaviours.not_json, Allow(body=BODY, warnings=("nothing to overwrite: the body is not JSON",)), 1),
        (behaviours.rewrite(name="real", appKey="forged"), Allow(body={**BODY, "name": "real"}), 1),
        (behaviours.http10_close, GO_ON, 1),
        (behaviours.deny(info="not you"), Deny(info="not you"), 1),
        (behaviours.answer(201), DENIED, 1),
        (behaviours.answer(204), DENIED, 1),
        (behaviours.redirect("http://127.0.0.1:1/"), DENIED, 1),
        (behaviours.answer(404), DENIED, 1),
        (behaviours.answer(500), DENIED, 1),
        (behaviours.huge(2_000_000), DENIED, 1),
        (behaviours.endless_body, DENIED, 1),
        (behaviours.garbage, DENIED, 1),
        (behaviours.reset, DENIED, 4),
        (behaviours.drop, DENIED, 4),
        (behaviours.half_open, DENIED, 4),
    ],
)
async def test_every_sort_of_backend(behaviour: Behaviour, judged: Verdict, attempts: int) -> None:
    async with open_backend() as backend:
        backend.script("*", behaviour)
        async with hook_lane(backend.url) as lane:
            assert await lane.authorize(PUBLISH, BODY) == judged
            lane.config = RestClientConfig()
            assert await lane.authorize(PUBLISH, BODY) == GO_ON
        with trio.fail_after(10):
            await backend.wait_closed()
        assert len(backend.calls) == 2 * attempts
        assert {call.path for call in backend.calls} == {"/my_api/publishStream"}


@pytest.mark.parametrize("behaviour", [behaviours.hang, behaviours.dripping(0.1), behaviours.slow(10)])
async def test_every_sort_of_slowness_ends_with_the_deadline(behaviour: Behaviour) -> None:
    async with open_backend() as backend:
        backend.script("*", behaviour)
        for deadline in (0.3, 1.0, 2.5):  # where the machine is slow, a hook may not even come in time
            async with hook_lane(backend.url, rest_request_timeout=deadline) as lane:
                assert await lane.authorize(PUBLISH, BODY) == DENIED
                with trio.fail_after(10):
                    await backend.wait_closed()
            if backend.calls:
                break
        assert len(backend.calls) == 1


async def test_a_backend_that_is_down_and_comes_back() -> None:
    async with open_backend() as backend:
        backend.script("*", behaviours.drop, behaviours.reset, behaviours.allow)
        async with hook_lane(backend.url) as lane:
            assert await lane.authorize(PUBLISH, BODY) == GO_ON
        assert [call.headers["x-wcs-attempt"] for call in backend.calls] == ["1", "2", "3"]
        assert len({call.headers["x-wcs-hook-id"] for call in backend.calls}) == 1


async def test_nobody_at_the_port_and_nobody_at_the_door() -> None:
    async with hook_lane(refused_url()) as lane:
        assert await lane.authorize(PUBLISH, BODY) == DENIED
    for scheme, full in (("http", True), ("http", False), ("https", False)):
        with unaccepting_url(scheme, full=full) as url:
            async with hook_lane(url, rest_request_timeout=0.2) as lane:
                assert await lane.authorize(PUBLISH, BODY) == DENIED


async def test_the_settings_say_whom_to_trust(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    async with open_backend(tls=tls) as backend:
        for settings, judged in (
            ({}, DENIED),
            ({"rest_ca_file": tmp_path / "ca.pem"}, GO_ON),
            ({"rest_insecure_tls": True}, GO_ON),
        ):
            async with hook_lane(backend.url, **settings) as lane:
                assert await lane.authorize(PUBLISH, BODY) == judged
    assert len(backend.calls) == 2


async def test_a_stopped_dispatcher_leaves_no_connection() -> None:
    async with open_backend() as backend:
        async with hook_lane(backend.url) as lane:
            assert await lane.authorize(PUBLISH, BODY) == GO_ON
            backend.script("*", behaviours.hang)
            lane.notify(HookMethod.STREAM_STATUS_EVENT, BODY)
            await backend.wait_for("StreamStatusEvent")
        with trio.fail_after(10):
            await backend.wait_closed()


async def test_a_backend_in_a_thread_of_its_own() -> None:
    with backend_thread() as backend:
        backend.script("publishStream", behaviours.deny(info="not you"), behaviours.allow)
        async with hook_lane(backend.url) as lane:
            assert await lane.authorize(PUBLISH, BODY) == Deny(info="not you")
            assert await lane.authorize(PUBLISH, BODY) == GO_ON
        calls = backend.wait_in_thread("publishStream", count=2)
        assert [call.body for call in calls] == [BODY, BODY]


async def test_the_backend_can_check_the_signature_over_the_bytes_that_came() -> None:
    async with open_backend() as backend:
        async with hook_lane(backend.url, rest_hook_send_hash=True, rest_hook_secret_key="ключ") as lane:
            await lane.authorize(PUBLISH, {**BODY, "name": "имя"})
        (call,) = backend.calls
    assert call.headers["authorization"] == "WCS " + hmac.new("ключ".encode(), call.content, "md5").hexdigest()

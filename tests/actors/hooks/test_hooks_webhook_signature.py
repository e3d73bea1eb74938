"""Hooks of an application with a secret are signed after Standard Webhooks, at each attempt anew."""

import base64
import hmac
import logging

import httpx
import pytest
from attrs import evolve
from trio.testing import MockClock

from actors.hooks.call_log import HookCall, Progress
from actors.hooks.hook_request import HookRequests
from config.apps import App
from protocol.hooks import HookMethod, MethodConfig
from protocol.hooks.webhook_signature import new_secret
from tests.support.hooks.hook_rig import APP, echo, failing, hook_rig

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
SIGNED = evolve(APP, webhook_secret=new_secret(KEY))
REFUSED = failing(httpx.ConnectError("backend.test port 80: Connection refused"))


def expected(request: httpx.Request, key: bytes, body: bytes) -> str:
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, "sha256").digest()).decode()


async def test_every_attempt_is_signed_over_the_bytes_that_are_sent(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    app = evolve(SIGNED, rest_username="wcs", rest_password="s3cret-1")
    async with hook_rig(app) as rig:
        rig.backend.script("*", REFUSED, echo)
        await rig.lane(app=app).authorize(HookMethod.PUBLISH_STREAM, {"name": "имя"})
        requests = [call.request for call in rig.backend.calls]
    assert [request.headers["X-WCS-Attempt"] for request in requests] == ["1", "2"]
    for request in requests:
        assert request.headers["webhook-id"] == request.headers["X-WCS-Hook-Id"] == requests[0].headers["webhook-id"]
        assert "." not in request.headers["webhook-id"]
        assert request.headers["webhook-signature"] == expected(request, KEY, request.content)
        assert request.headers["Authorization"].startswith("Basic ")
    assert "whsec_" not in caplog.text + repr([vars(record).get("wcsd_fields") for record in caplog.records])


def attempts(app: App, *times: float) -> list[httpx.Request]:
    """The requests of one call, made at these times."""
    clock = iter(times)
    requests = HookRequests(None, clock=lambda: next(clock))
    call = HookCall(app=app, session_id="s1", method=HookMethod.CONNECT, body={"name": "a"}, config=MethodConfig())
    url, headers = requests.target(call)
    made = []
    for number, _ in enumerate(times, 1):
        progress = Progress(hook_id="prefix-1", started=0, deadline=1, attempt=number)
        made.append(requests.build(call, progress, url, headers))
    return made


def test_a_later_attempt_has_its_own_time_and_signature() -> None:
    first, second = attempts(SIGNED, 1000.9, 2000.1)
    assert (first.headers["webhook-timestamp"], second.headers["webhook-timestamp"]) == ("1000", "2000")
    for request in (first, second):
        assert request.headers["webhook-signature"] == expected(request, KEY, b'{"name":"a"}')


def test_both_secrets_are_used_until_the_old_one_is_over() -> None:
    app = SIGNED.with_new_secret(new_secret(OTHER_KEY), now=1000, overlap=60)
    during, after = attempts(app, 1059, 1060)
    both = [expected(during, key, b'{"name":"a"}') for key in (OTHER_KEY, KEY)]
    assert during.headers["webhook-signature"] == " ".join(both)
    assert after.headers["webhook-signature"] == expected(after, OTHER_KEY, b'{"name":"a"}')


def test_without_a_secret_a_hook_is_as_it_always_was() -> None:
    (request,) = attempts(APP, 1000)
    assert not [name for name in request.headers if name.startswith("webhook-")]

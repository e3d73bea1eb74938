"""One call: what is sent, what is sent again, and what the log says of it."""

import base64
import hmac
import json
import logging
from collections import Counter
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from attrs import evolve
from trio.testing import MockClock

from actors.hooks.connections.transport import AnswerTooLarge, CannotResolve, NoAnswer, TlsFailed
from actors.hooks.echo import is_echo
from actors.hooks.masking import masked
from config.apps import App
from protocol.hooks import Allow, Deny, HookMethod, MethodConfig, RestClientConfig, RestOnError
from tests.support.hooks.hook_rig import APP, Answer, after, echo, failing, hang, hook_rig, status

PUBLISH = HookMethod.PUBLISH_STREAM
FAIL = MethodConfig(rest_on_error=RestOnError.FAIL)
DENIED = Deny(info="Restricted access")
REFUSED = failing(httpx.ConnectError("backend.test port 80: Connection refused"))


def facts(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, dict[str, Any]]]:
    """The log lines: level, event, facts."""
    return [
        (record.levelname, record.getMessage(), record.wcsd_fields)
        for record in caplog.records
        if hasattr(record, "wcsd_fields")
    ]


# -- what is sent ------------------------------------------------------------------------------------------------------


async def test_a_hook_is_a_post_of_json_as_the_pages_show_it(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        await rig.lane().authorize(PUBLISH, {"name": "имя", "record": False})
        request = rig.backend.calls[0].request
    assert (request.method, str(request.url)) == ("POST", "http://backend.test/api/publishStream")
    assert json.loads(request.content) == {"name": "имя", "record": False}
    assert request.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert request.headers["Accept"] == "application/json"
    assert request.headers["Content-Length"] == str(len(request.content))
    assert request.headers["Host"] == "backend.test"
    assert "Transfer-Encoding" not in request.headers
    assert "Authorization" not in request.headers


async def test_credentials_are_sent_without_being_asked_for(autojump_clock: MockClock) -> None:
    app = evolve(APP, rest_username="wcs", rest_password="пароль:1")
    async with hook_rig(app) as rig:
        await rig.lane(app=app).authorize(PUBLISH, {})
        authorization = rig.backend.calls[0].request.headers["Authorization"]
    assert base64.b64decode(authorization.removeprefix("Basic ")).decode() == "wcs:пароль:1"


async def test_a_signature_takes_the_place_of_credentials_and_covers_the_body_that_is_sent(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    app = evolve(APP, rest_username="wcs", rest_password="s3cret-1")
    async with hook_rig(app, rest_hook_send_hash=True, rest_hook_secret_key="s3cret-2") as rig:
        rig.backend.script("*", REFUSED, echo)
        await rig.lane(app=app).authorize(PUBLISH, {"name": "имя"})
        requests = [call.request for call in rig.backend.calls]
    signed = "WCS " + hmac.new(b"s3cret-2", requests[0].content, "md5").hexdigest()
    assert [request.headers["Authorization"] for request in requests] == [signed] * 2
    told = [line for line in facts(caplog) if "rest_hook_send_hash" in line[1]]
    assert [(level, line["app"]) for level, _, line in told] == [("WARNING", "testApp")]
    assert "s3cret" not in caplog.text + repr([line for _, _, line in facts(caplog)])


async def test_each_call_has_an_id_of_its_own_that_its_retries_share(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", REFUSED, REFUSED, echo)
        lane = rig.lane()
        await lane.authorize(PUBLISH, {})
        await lane.authorize(PUBLISH, {})
        headers = [call.request.headers for call in rig.backend.calls]
    assert [header["X-WCS-Attempt"] for header in headers] == ["1", "2", "3", "1"]
    ids = [header["X-WCS-Hook-Id"] for header in headers]
    assert ids[0] == ids[1] == ids[2] != ids[3]


@pytest.mark.parametrize("body", [{"x": {1, 2}}, {1: {("a",): 2}}])
async def test_a_body_that_is_no_json_harms_nobody(autojump_clock: MockClock, body: dict[str, Any]) -> None:
    async with hook_rig() as rig:
        lane = rig.lane(publishStream=FAIL)
        assert await lane.authorize(PUBLISH, body) == DENIED
        assert await lane.authorize(PUBLISH, {}) == Allow(body={})


# -- retries -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [REFUSED, failing(httpx.ReadError("reset")), failing(httpx.WriteError("reset")), failing(NoAnswer("closed"))],
)
async def test_what_was_not_received_is_sent_three_times_more(autojump_clock: MockClock, failure: Answer) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", failure)
        assert await rig.lane(publishStream=FAIL).authorize(PUBLISH, {}) == DENIED
        assert len(rig.backend.calls) == 4


async def test_the_first_retry_goes_at_once_and_the_later_ones_wait_a_little(autojump_clock: MockClock) -> None:
    async with hook_rig(rest_client_request_retry_count=5) as rig:
        rig.backend.script("*", REFUSED)
        await rig.lane().authorize(PUBLISH, {})
        times = [call.began - rig.backend.calls[0].began for call in rig.backend.calls]
    assert times == pytest.approx([0, 0, 0.1, 0.3, 0.7, 1.5])


@pytest.mark.parametrize(
    "answer",
    [
        *(status(code) for code in (201, 204, 302, 400, 403, 404, 500, 503)),
        failing(httpx.ReadTimeout("slow")),
        failing(httpx.RemoteProtocolError("garbage")),
        failing(CannotResolve("backend.test: unknown")),
        failing(TlsFailed("TLS: CERTIFICATE_VERIFY_FAILED")),
        failing(AnswerTooLarge("too large")),
        hang,
    ],
)
async def test_nothing_else_is_sent_again(autojump_clock: MockClock, answer: Answer) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", answer)
        assert await rig.lane(publishStream=FAIL).authorize(PUBLISH, {}) == DENIED
        assert len(rig.backend.calls) == 1


@pytest.mark.parametrize(
    "settings", [{"rest_client_request_retry_count": 0}, {"rest_client_request_sent_retry_enabled": False}]
)
async def test_retries_can_be_switched_off(autojump_clock: MockClock, settings: dict[str, Any]) -> None:
    async with hook_rig(**settings) as rig:
        rig.backend.script("*", REFUSED)
        assert await rig.lane(publishStream=FAIL).authorize(PUBLISH, {}) == DENIED
        assert len(rig.backend.calls) == 1


async def test_retries_end_with_the_deadline(autojump_clock: MockClock) -> None:
    async with hook_rig(rest_request_timeout=10.0, rest_client_request_retry_count=100) as rig:
        rig.backend.script("*", after(1, REFUSED))
        began = trio.current_time()
        await rig.lane().authorize(PUBLISH, {})
        assert trio.current_time() - began == pytest.approx(10)


# -- the built-in backend ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "echoes"),
    [
        ("http://localhost:8081/apps/EchoApp", True),
        ("http://127.0.0.1:8081/apps/EchoApp/", True),
        ("https://[::1]:8444/apps/EchoApp", True),
        ("http://localhost:8081/apps/RoomApp", True),
        ("http://localhost:8081/apps/EchoApp2", False),
        ("http://localhost:8081/apps/echoapp", False),
        ("http://localhost:8081/my/apps/EchoApp", False),
        ("http://backend.test:8081/apps/EchoApp", False),
        ("http://localhost.backend.test/apps/EchoApp", False),
    ],
)
def test_the_echo_app_is_known_by_its_url(url: str, echoes: bool) -> None:
    assert is_echo(url) is echoes


async def test_the_echo_app_agrees_without_a_request(autojump_clock: MockClock) -> None:
    app = evolve(APP, url="http://localhost:8081/apps/EchoApp")
    async with hook_rig(app) as rig:
        lane = rig.lane(app=app)
        judged = await lane.authorize(HookMethod.CONNECT, {"custom": {"restClientConfig": {}}})
        assert judged == Allow(body={"custom": {"restClientConfig": {}}})
        lane.notify(HookMethod.STREAM_STATUS_EVENT, {})
        assert await rig.dispatcher.drain(10) == 0
        assert rig.backend.calls == []


# -- the log -----------------------------------------------------------------------------------------------------------


async def test_a_call_is_one_line(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with hook_rig() as rig:
        rig.backend.script("*", REFUSED, after(0.25))
        await rig.lane("/1.2.3.4:5/10.0.0.1:8443").authorize(PUBLISH, {"custom": {"token": "abc"}})
        (line,) = facts(caplog)
    assert line[:2] == ("INFO", "hook")
    assert line[2].pop("id")
    assert line[2] == {
        "method": "publishStream", "app": "testApp", "session": "/1.2.3.4:5/10.0.0.1:8443",
        "attempt": 2, "ms": 250, "status": 200,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (status(500), "answered 500"),
        (status(204), "answered 204"),
        (hang, "no answer within 15 s"),
        (REFUSED, "backend.test port 80: Connection refused"),
        (failing(NoAnswer("closed without an answer")), "closed without an answer"),
    ],
)
async def test_a_failure_is_an_error_that_names_hook_url_and_cause(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, answer: Answer, cause: str
) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", answer)
        await rig.lane().authorize(PUBLISH, {})
        (line,) = facts(caplog)
    assert line[:2] == ("ERROR", "Got exception in REST")
    assert line[2]["method"] == "publishStream"
    assert line[2]["url"] == "http://backend.test/api/publishStream"
    assert line[2]["cause"] == cause


@pytest.mark.parametrize("code", [401, 403])
async def test_a_refusal_is_no_error(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, code: int) -> None:
    caplog.set_level(logging.INFO)
    async with hook_rig() as rig:
        rig.backend.script("*", status(code))
        await rig.lane().authorize(PUBLISH, {})
        assert [line[:2] for line in facts(caplog)] == [("INFO", "hook refused")]


@pytest.mark.parametrize("code", [401, 403])
async def test_a_refusal_of_what_was_no_question_is_an_error(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    async with hook_rig() as rig:
        rig.backend.script("*", status(code))
        rig.lane().notify(HookMethod.STREAM_STATUS_EVENT, {})
        await trio.testing.wait_all_tasks_blocked()
        (line,) = facts(caplog)
    assert line[:2] == ("ERROR", "Got exception in REST")
    assert line[2]["url"] == "http://backend.test/api/StreamStatusEvent"
    assert line[2]["cause"] == f"answered {code}"


async def test_a_cancelled_call_and_a_lost_turn_are_told(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with hook_rig(rest_request_timeout=5.0) as rig, trio.open_nursery() as nursery:
        rig.backend.script("*", hang)
        lane = rig.lane()
        nursery.start_soon(lane.authorize, PUBLISH, {})
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1):
            await lane.authorize(PUBLISH, {})
        with trio.move_on_after(1):
            await rig.lane("other").authorize(PUBLISH, {})
        rig.backend.script("*", after(2.9))
        lane.notify(HookMethod.STREAM_STATUS_EVENT, {})
        await lane.authorize(HookMethod.PLAY_STREAM, {})
        await rig.dispatcher.drain(10)
        told = [(event, line["method"], line.get("cause")) for _, event, line in facts(caplog)]
    assert told == [
        ("hook cancelled", "publishStream", None),
        ("Got exception in REST", "publishStream", "no answer within 5 s"),
        ("Got exception in REST", "playStream", "no answer within 5 s"),
        ("hook", "StreamStatusEvent", None),
    ]


async def test_a_backend_that_is_down_is_told_a_few_times_and_once_when_it_is_back(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with hook_rig(rest_breaker=False) as rig:
        rig.backend.script("*", status(500))
        lanes = [rig.lane(f"session{number}") for number in range(200)]
        for lane in lanes:
            await lane.authorize(PUBLISH, {})
            await lane.authorize(HookMethod.PLAY_STREAM, {})
        await trio.sleep(10)
        await lanes[0].authorize(PUBLISH, {})
        rig.backend.script("*", echo)
        for lane in lanes:
            await lane.authorize(PUBLISH, {})
        told = facts(caplog)
        assert rig.dispatcher.statistics().failed == 401
    failures = [line for level, event, line in told if (level, event) == ("ERROR", "Got exception in REST")]
    by_method = Counter(line["method"] for line in failures)
    assert by_method == {"publishStream": 4, "playStream": 3}
    assert [line.get("suppressed") for line in failures if line["method"] == "publishStream"] == [None, None, None, 197]
    back = [line for _, event, line in told if event == "hook is answered again"]
    assert back == [{"method": "publishStream", "app": "testApp", "failed": 201}]


async def test_the_troubles_of_one_application_hide_nobody_elses(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    other = evolve(APP, name="other", key="other")
    async with hook_rig(rest_breaker=False) as rig:
        rig.backend.script("*", status(500))
        for _ in range(100):
            await rig.lane().authorize(PUBLISH, {})
        await rig.lane(app=other).authorize(PUBLISH, {})
    assert [line["app"] for _, _, line in facts(caplog)] == ["testApp"] * 3 + ["other"]


async def test_a_backend_that_fails_every_other_time_is_told_of_at_a_bounded_rate(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with hook_rig(rest_breaker=False) as rig:
        lane = rig.lane()
        for _ in range(100):
            rig.backend.script("*", status(500), echo)
            await lane.authorize(PUBLISH, {})
            await lane.authorize(PUBLISH, {})
            await trio.sleep(0.1)
    events = Counter(event for _, event, _ in facts(caplog))
    assert events == {"Got exception in REST": 4, "hook is answered again": 2}


async def test_what_is_odd_about_answers_is_told_a_few_times(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    policies = {"restClientConfig": {"publishSteam": {}, "playStream": {"restOnError": "MAYBE"}}}
    async with hook_rig() as rig:
        rig.backend.script("connect", status(200, policies))
        for _ in range(50):
            await rig.lane().authorize(HookMethod.CONNECT, {})
    told = facts(caplog)
    assert [event for _, event, _ in told] == ["odd answer"] * 3
    assert "publishSteam" in told[0][2]["what"]
    assert "MAYBE" in told[0][2]["what"]


async def test_bodies_are_told_at_debug_without_their_secrets(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="wcsd.hooks")
    app = evolve(APP, rest_username="wcs", rest_password="s3cret-1")
    body = {
        "appKey": "testApp", "name": "stream", "custom": {"token": "s3cret-2"}, "authToken": "s3cret-3", "sdp": "v=0",
        "sipPassword": "s3cret-4", "nested": [{"password": "s3cret-5"}], "keepAlive": True, "payload": "s3cret-6",
    }  # fmt: skip
    async with hook_rig(app) as rig:
        await rig.lane(app=app).authorize(PUBLISH, body)
    shown = {event: json.loads(str(line["body"])) for _, event, line in facts(caplog) if "body" in line}
    assert shown.keys() == {"hook body", "hook answer"}
    assert shown["hook body"] == {
        "appKey": "testApp", "name": "stream", "custom": "***", "authToken": "***", "sdp": "<3 characters>",
        "sipPassword": "***", "nested": [{"password": "***"}], "keepAlive": True, "payload": "***",
    }  # fmt: skip
    assert "s3cret" not in "".join(f"{name}={value}" for _, _, line in facts(caplog) for name, value in line.items())


def test_masking_leaves_what_is_no_secret() -> None:
    assert masked({"name": "x", "width": 5, "list": [1, "a"]}) == {"name": "x", "width": 5, "list": [1, "a"]}
    assert "password" not in repr(App(name="a", key="a", url="http://b.test/", rest_username="u", rest_password="p"))


async def test_calls_are_counted(autojump_clock: MockClock) -> None:
    async with hook_rig(rest_request_timeout=5.0) as rig:
        rig.backend.script("*", echo, REFUSED, echo, status(500), hang)
        lane = rig.lane()
        for _ in range(4):
            await lane.authorize(PUBLISH, {})
        statistics = rig.dispatcher.statistics()
    assert (statistics.sent, statistics.retried, statistics.failed, statistics.timed_out) == (4, 1, 2, 1)


async def test_trusting_anybody_is_told_aloud(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    async with hook_rig(rest_insecure_tls=True):
        ((level, event, _),) = facts(caplog)
    assert level == "WARNING"
    assert "rest_insecure_tls" in event


async def test_a_line_about_a_hook_names_its_stream_even_if_the_body_does_not(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    hidden = MethodConfig(rest_exclude=frozenset({"mediaSessionId", "name"}))
    async with hook_rig() as rig:
        lane = rig.lane()
        lane.config = RestClientConfig(methods={PUBLISH: hidden})
        await lane.authorize(PUBLISH, {"mediaSessionId": "m", "name": "news"})
        await lane.authorize(HookMethod.CONNECT, {"mediaSessionId": "made up", "name": "made up"})
        assert json.loads(rig.backend.calls[0].request.content) == {}
    about_stream, about_session = [fields for _, event, fields in facts(caplog) if event == "hook"]
    assert about_stream | {"stream": "m", "name": "news"} == about_stream
    assert not {"stream", "name"} & about_session.keys()

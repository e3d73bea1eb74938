"""The whole matrix over real sessions and streams: every method x every policy x whatever a backend can do.

What a client sees of a hook is one of three things: its request goes on, it is denied, or it goes on and the client is
warned (ErrorEvent). Which one is due stands in `due`, in the words of the WCS page "Four types of REST methods".
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import trio
from attrs import frozen
from trio.testing import MockClock

from actors.hooks.connections.transport import AnswerTooLarge, CannotResolve, NoAnswer, TlsFailed
from actors.stream import Stream
from actors.stream.keep_alive_schedule import ask
from config.apps import BY_NAME
from protocol.hooks import HookKind, HookMethod
from tests.support.session.memory_socket import MemorySocket
from tests.support.session.signaling_rig import SignalingRig, signaling_rig, stream_request

TIMEOUT = 5.0
GOES_ON = frozenset({"goes on"})
DENIED = frozenset({"denied"})
WARNED = frozenset({"goes on", "warned"})

# -- what a backend can do ---------------------------------------------------------------------------------------------

Answer = Callable[[str, dict[str, Any]], httpx.Response]


def mirror(method: str, body: dict[str, Any]) -> httpx.Response:
    """200 with what came."""
    return httpx.Response(200, json=body)


def answer(status: int, content: bytes = b"") -> Answer:
    """Just that."""
    return lambda method, body: httpx.Response(status, content=content)


def failing(error: httpx.HTTPError) -> Answer:
    """No answer, for that reason."""

    def fail(method: str, body: dict[str, Any]) -> httpx.Response:
        raise error

    return fail


def dripping(method: str, body: dict[str, Any]) -> httpx.Response:
    """200, and a body that comes too slowly."""

    async def drip() -> AsyncIterator[bytes]:
        for byte in b'{"status":"OK"}':
            await trio.sleep(TIMEOUT / 5)
            yield bytes([byte])

    return httpx.Response(200, content=drip())


def hang(method: str, body: dict[str, Any]) -> httpx.Response:
    """No answer: `let` keeps the call before it comes so far."""
    raise AssertionError("the call was let through")


def let(rig: SignalingRig, method: HookMethod, behave: Answer) -> None:
    """Let the backend behave so on calls of `method`."""
    rig.backend.answers[method] = behave
    if behave is hang:
        rig.backend.gates[method] = trio.Event()


RETRIED = {
    "refused": failing(httpx.ConnectError("refused")),
    "reset": failing(httpx.ReadError("reset")),
    "closed without an answer": failing(NoAnswer("closed without an answer")),
}
FAILURES: dict[str, Answer] = {
    **{str(status): answer(status) for status in (201, 204, 301, 302, 400, 401, 403, 404, 500, 502, 503)},
    **RETRIED,
    "no HTTP": failing(httpx.RemoteProtocolError("not HTTP")),
    "too large": failing(AnswerTooLarge("too large")),
    "unknown name": failing(CannotResolve("unknown")),
    "not trusted": failing(TlsFailed("not trusted")),
    "hangs": hang,
    "drips": dripping,
}
UNREADABLE: dict[str, Answer] = {"no JSON": answer(200, b"<b>Warning"), "no object": answer(200, b"[1]")}
AGREEMENTS: dict[str, Answer] = {"mirrors": mirror, "empty": answer(200), "empty object": answer(200, b"{}")}

# -- what a client does, and what it sees of the hook ------------------------------------------------------------------


@frozen
class Seen:
    """What a client has received, once all is quiet."""

    client: MemorySocket

    def all(self, message: str, **expected: Any) -> list[dict[str, Any]]:
        """The objects of these frames that have these values."""
        bodies = [data[0] for data in self.client.received(message) if data and isinstance(data[0], dict)]
        return [body for body in bodies if expected.items() <= body.items()]

    def statuses(self, stream: str) -> list[tuple[str, str | None]]:
        """What became of a stream."""
        return [
            (body["status"], body.get("info")) for body in self.all("notifyStreamStatusEvent", mediaSessionId=stream)
        ]

    def refused(self, method: HookMethod) -> bool:
        """Whether a request was answered by a `fail` of its name, and nothing else was."""
        return [body.get("apiMethod") for body in self.all("fail")] == [method]


Act = Callable[[SignalingRig, MemorySocket], Awaitable[None]]
Look = Callable[[Seen], bool]


@frozen(kw_only=True)
class Scenario:
    """A client does something that its backend hears of."""

    act: Act
    goes_on: Look
    denied: Look = lambda seen: False


def sends(message: str, **fields: Any) -> Act:
    """The client sends one frame."""

    async def act(rig: SignalingRig, client: MemorySocket) -> None:
        client.send(message, fields)
        await trio.lowlevel.checkpoint()

    return act


def after(*first: Act, then: Act) -> Act:
    async def act(rig: SignalingRig, client: MemorySocket) -> None:
        for step in (*first, then):
            await step(rig, client)

    return act


async def published(rig: SignalingRig, client: MemorySocket) -> None:
    await rig.publish(client, "cam", "p")


async def played(rig: SignalingRig, client: MemorySocket) -> None:
    await rig.play(client, "cam", "v")


async def asks_to_go_on(rig: SignalingRig, client: MemorySocket) -> None:
    """As the walker does when the stream's turn has come."""
    (stream,) = rig.supervisor.streams()
    assert isinstance(stream, Stream)
    ask(stream)
    await trio.lowlevel.checkpoint()


LIVE = ("PUBLISHING", None)
PLAYED = ("PLAYING", None)
STOPPED = "Stopped by user"
RESTRICTED = ("FAILED", "Restricted access")
publishes = sends("publishStream", **stream_request("cam", "p", published=True))
plays = sends("playStream", **stream_request("cam", "v", published=False))
mutes = sends("sendStreamEvent", mediaSessionId="p", type="data", payload={"n": 1})
sends_data = sends("sendData", operationId="o", payload={"n": 1})


async def nothing(rig: SignalingRig, client: MemorySocket) -> None:
    """Being connected is enough."""
    await trio.lowlevel.checkpoint()


SCENARIOS: dict[HookMethod, Scenario] = {
    HookMethod.PUBLISH_STREAM: Scenario(
        act=publishes,
        goes_on=lambda seen: seen.statuses("p") == [LIVE],
        denied=lambda seen: seen.statuses("p") == [RESTRICTED] and not seen.all("fail"),
    ),
    HookMethod.PLAY_STREAM: Scenario(
        act=after(published, then=plays),
        goes_on=lambda seen: seen.statuses("v") == [PLAYED],
        denied=lambda seen: seen.statuses("v") == [RESTRICTED] and not seen.all("fail"),
    ),
    HookMethod.UN_PUBLISH_STREAM: Scenario(
        act=after(published, then=sends("unPublishStream", mediaSessionId="p")),
        goes_on=lambda seen: seen.statuses("p") == [LIVE, ("UNPUBLISHED", STOPPED)],
        denied=lambda seen: seen.statuses("p") == [LIVE] and seen.refused(HookMethod.UN_PUBLISH_STREAM),
    ),
    HookMethod.STOP_STREAM: Scenario(
        act=after(published, played, then=sends("stopStream", mediaSessionId="v")),
        goes_on=lambda seen: seen.statuses("v") == [PLAYED, ("STOPPED", STOPPED)],
        denied=lambda seen: seen.statuses("v") == [PLAYED] and seen.refused(HookMethod.STOP_STREAM),
    ),
    HookMethod.SEND_STREAM_EVENT: Scenario(
        act=after(published, played, then=mutes),
        goes_on=lambda seen: len(seen.all("notifyStreamEvent", mediaSessionId="v", payload={"n": 1})) == 1,
        denied=lambda seen: seen.refused(HookMethod.SEND_STREAM_EVENT) and not seen.all("notifyStreamEvent"),
    ),
    HookMethod.ON_DATA_EVENT: Scenario(
        act=sends_data,
        goes_on=lambda seen: seen.all("DataStatusEvent") == [{"operationId": "o", "status": "ACCEPTED"}],
        denied=lambda seen: (
            seen.all("DataStatusEvent") == [{"operationId": "o", "status": "FAILED", "info": "Restricted access"}]
        ),
    ),
    HookMethod.SNAPSHOT: Scenario(
        act=after(published, then=sends("snapshot", mediaSessionId="s", name="cam")),
        goes_on=lambda seen: (
            len(seen.all("notifyStreamEvent", type="snapshotFailed", payload={"info": "Snapshots are not supported"}))
            == 1
        ),
        denied=lambda seen: (
            len(seen.all("notifyStreamEvent", type="snapshotFailed", payload={"info": "Restricted access"})) == 1
        ),
    ),
    HookMethod.SESSION_DEBUG: Scenario(
        act=sends("sessionDebug", command="start"),
        goes_on=lambda seen: len(seen.all("notifySessionDebugEvent", status="STARTED")) == 1,
        denied=lambda seen: seen.refused(HookMethod.SESSION_DEBUG) and not seen.all("notifySessionDebugEvent"),
    ),
    HookMethod.PUSH_LOGS: Scenario(
        act=sends("pushLogs", logs="line"),
        goes_on=lambda seen: not seen.all("fail"),
        denied=lambda seen: seen.refused(HookMethod.PUSH_LOGS),
    ),
    HookMethod.SUBMIT_BUG_REPORT: Scenario(
        act=sends("submitBugReport", text="it broke", type="no_media"),
        goes_on=lambda seen: not seen.all("fail"),
        denied=lambda seen: seen.refused(HookMethod.SUBMIT_BUG_REPORT),
    ),
    HookMethod.CONNECTION_STATUS_EVENT: Scenario(
        act=nothing, goes_on=lambda seen: len(seen.all("getUserData", status="ESTABLISHED")) == 1
    ),
    HookMethod.STREAM_STATUS_EVENT: Scenario(act=publishes, goes_on=lambda seen: seen.statuses("p") == [LIVE]),
    HookMethod.STREAM_EVENT: Scenario(
        act=after(published, played, then=mutes),
        goes_on=lambda seen: len(seen.all("notifyStreamEvent", mediaSessionId="v", payload={"n": 1})) == 1,
    ),
    HookMethod.DATA_STATUS_EVENT: Scenario(
        act=sends_data, goes_on=lambda seen: len(seen.all("DataStatusEvent", status="ACCEPTED")) == 1
    ),
    HookMethod.STREAM_KEEP_ALIVE_EVENT: Scenario(
        act=after(published, then=asks_to_go_on),
        goes_on=lambda seen: seen.statuses("p") == [LIVE],
        denied=lambda seen: seen.statuses("p") == [LIVE, ("FAILED", "Terminated by keep-alive")],
    ),
}


CALLS = {
    *(HookMethod.CALL, HookMethod.ANSWER, HookMethod.HANGUP, HookMethod.HOLD, HookMethod.UNHOLD, HookMethod.SEND_DTMF),
    *(HookMethod.ON_CALL_EVENT, HookMethod.CALL_STATUS_EVENT, HookMethod.REGISTRATION_STATUS_EVENT),
    *(HookMethod.TRANSFER, HookMethod.TRANSFER_STATUS_EVENT, HookMethod.ON_TRANSFER_EVENT),
}
"""They need a phone: tests/wire/calls has them."""


def due(method: HookMethod, policy: str, on_error: str, behaviour: str) -> frozenset[str]:
    """What the client is to see."""
    if policy == "DISABLE" or on_error == "LOG" or behaviour not in FAILURES:
        return GOES_ON
    if method is HookMethod.STREAM_KEEP_ALIVE_EVENT and behaviour == "403":
        return DENIED
    return WARNED if method.kind is HookKind.EVENT else DENIED


def calls_due(policy: str, behaviour: str) -> int:
    """How often the backend is called."""
    return 0 if policy == "DISABLE" else 4 if behaviour in RETRIED else 1


async def observe(scenario: Scenario, method: HookMethod, config: dict[str, str], behave: Answer) -> Any:
    """What the client sees, and how often the backend was called."""
    async with signaling_rig(rest_request_timeout=TIMEOUT) as rig:
        rig.backend.answers["connect"] = answer(200, json.dumps({"restClientConfig": {method: config}}).encode())
        let(rig, method, behave)
        client, _ = await rig.connect()
        await scenario.act(rig, client)
        await trio.sleep(4 * TIMEOUT)
        client.send("ping", None)
        await client.receive("pong")
        seen = Seen(client)
        warnings = [body for body in seen.all("fail", method=method) if "apiMethod" not in body]
        words = {"goes on": scenario.goes_on(seen), "denied": scenario.denied(seen), "warned": len(warnings) == 1}
        return frozenset(word for word, is_so in words.items() if is_so), len(rig.backend.called(method))


@pytest.mark.slow
@pytest.mark.parametrize("on_error", ["LOG", "FAIL"])
@pytest.mark.parametrize("policy", ["NOTIFY", "OVERWRITE", "DISABLE"])
@pytest.mark.parametrize("method", SCENARIOS)
async def test_what_a_client_sees(autojump_clock: MockClock, method: HookMethod, policy: str, on_error: str) -> None:
    config = {"restOnError": on_error, "restPolicy": policy, "restOverwrite": "name,info,payload"}
    behaviours = {**AGREEMENTS, **UNREADABLE, **FAILURES}
    observed = {name: await observe(SCENARIOS[method], method, config, behave) for name, behave in behaviours.items()}
    assert observed == {name: (due(method, policy, on_error, name), calls_due(policy, name)) for name in behaviours}


def test_no_method_is_forgotten() -> None:
    elsewhere = {HookMethod.CONNECT, HookMethod.PLAY_RTSP, *BY_NAME, *CALLS}  # the second one is as playStream
    assert SCENARIOS.keys() == set(HookMethod) - elsewhere


# -- connect -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*AGREEMENTS, *UNREADABLE, *FAILURES])
async def test_a_client_is_let_in_by_a_readable_200_alone(autojump_clock: MockClock, name: str) -> None:
    behave = {**AGREEMENTS, **UNREADABLE, **FAILURES}[name]
    async with signaling_rig(rest_request_timeout=TIMEOUT) as rig:
        let(rig, HookMethod.CONNECT, behave)
        client, session = rig.open()
        client.send("connection", {"appKey": "defaultApp", "mediaProviders": ["WebRTC"]})
        if name in AGREEMENTS:
            await client.receive("getUserData", status="ESTABLISHED")
        else:
            refusal = await client.receive("fail")
            assert refusal == {"apiMethod": "ConnectionStatusEvent", "status": "FAILED", "info": "Restricted access"}
            await session.stopped.wait()
            assert client.close_code == 1000
        assert len(rig.backend.called("connect")) == calls_due("NOTIFY", name)
        await rig.dispatcher.drain(60)
        told = [body["status"] for body in rig.backend.called("ConnectionStatusEvent")]
        assert told == (["ESTABLISHED"] if name in AGREEMENTS else ["FAILED", "DISCONNECTED"])

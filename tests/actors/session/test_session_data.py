"""`sendData` and its outcome, and the confirmations of old SDKs."""

from typing import Any

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.session import Session
from actors.session.requests.data_exchange import Settle
from protocol.signaling.session_statuses import DataStatus
from tests.support.session.memory_socket import MemorySocket
from tests.support.session.signaling_rig import SignalingRig, signaling_rig


async def connected_with(rig: SignalingRig, **policies: dict[str, str]) -> tuple[MemorySocket, Session]:
    """A client whose backend has these policies, and its session."""
    rig.backend.answers["connect"] = lambda _, body: httpx.Response(200, json={"restClientConfig": policies})
    return await rig.connect()


async def client_with(rig: SignalingRig, **policies: dict[str, str]) -> MemorySocket:
    return (await connected_with(rig, **policies))[0]


def overwriting(*fields: str) -> dict[str, str]:
    return {"restPolicy": "OVERWRITE", "restOverwrite": ",".join(fields)}


async def test_data_is_answered_and_a_denial_reaches_the_sender(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        config = {"OnDataEvent": {"restOnError": "FAIL"}}
        rig.backend.answers["connect"] = lambda method, body: httpx.Response(200, json={"restClientConfig": config})
        socket, _ = await rig.connect()
        socket.send("sendData", {"operationId": "o1", "payload": {"text": "hi"}})
        assert await socket.receive("DataStatusEvent") == {"operationId": "o1", "status": "ACCEPTED"}
        rig.backend.answers["OnDataEvent"] = lambda method, body: httpx.Response(403)
        socket.send("sendData", {"operationId": "o2", "payload": "x"})
        denied = await socket.receive("DataStatusEvent")
        assert denied == {"operationId": "o2", "status": "FAILED", "info": "Restricted access"}


async def test_without_the_hook_data_is_accepted(autojump_clock: MockClock) -> None:
    async with signaling_rig(methods=frozenset()) as rig:
        socket, _ = await rig.connect()
        socket.send("sendData", {"operationId": "o1", "payload": None})
        assert await socket.receive("DataStatusEvent") == {"operationId": "o1", "status": "ACCEPTED"}
        assert rig.backend.calls == []


async def test_the_backend_may_rewrite_the_payload_and_add_an_info(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket = await client_with(rig, OnDataEvent=overwriting("payload", "info"))
        answer = {"payload": {"text": "h*llo"}, "info": "moderated"}
        rig.backend.answers["OnDataEvent"] = lambda _, body: httpx.Response(200, json=body | answer)
        socket.send("sendData", {"operationId": "o1", "payload": {"text": "hello"}})
        told = await socket.receive("DataStatusEvent")
        assert told == {"operationId": "o1", "status": "ACCEPTED", **answer}
        await trio.testing.wait_all_tasks_blocked()
        (body,) = rig.backend.called("DataStatusEvent")
        assert body.items() >= {"operationId": "o1", "status": "ACCEPTED", **answer}.items()


@pytest.mark.parametrize("policy", [{}, {"restPolicy": "NOTIFY", "restOverwrite": "payload,info"}, overwriting()])
async def test_what_the_policy_does_not_name_stays(autojump_clock: MockClock, policy: dict[str, str]) -> None:
    async with signaling_rig() as rig:
        socket = await client_with(rig, OnDataEvent=policy)
        rig.backend.answers["OnDataEvent"] = lambda _, body: httpx.Response(200, json={"payload": 2, "info": "i"})
        socket.send("sendData", {"operationId": "o1", "payload": 1})
        assert await socket.receive("DataStatusEvent") == {"operationId": "o1", "status": "ACCEPTED"}


async def test_an_info_that_is_no_text_is_left_out(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket = await client_with(rig, OnDataEvent=overwriting("info"))
        rig.backend.answers["OnDataEvent"] = lambda _, body: httpx.Response(200, json=body | {"info": [1]})
        socket.send("sendData", {"operationId": "o1", "payload": 1})
        assert await socket.receive("DataStatusEvent") == {"operationId": "o1", "status": "ACCEPTED"}


async def test_data_reaches_the_backend_in_the_order_in_which_it_was_sent(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, _ = await rig.connect()
        for number in range(100):
            socket.send("sendData", {"operationId": f"o{number}", "payload": number})
        for number in range(100):
            assert (await socket.receive("DataStatusEvent"))["operationId"] == f"o{number}"
        assert [body["payload"] for body in rig.backend.called("OnDataEvent")] == list(range(100))


# -- confirmations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [{"status": "ACCEPTED"}, {"status": "FAILED", "info": "no room"}])
async def test_a_confirmation_is_passed_on_to_the_backend(autojump_clock: MockClock, told: dict[str, str]) -> None:
    async with signaling_rig() as rig:
        socket, session = await rig.connect()
        socket.send("DataStatusEvent", {"operationId": "from-rest", **told})
        await trio.testing.wait_all_tasks_blocked()
        context = {"nodeId": "node1", "appKey": "defaultApp", "sessionId": session.session_id}
        assert rig.backend.called("DataStatusEvent") == [{"operationId": "from-rest", **told, **context}]


@pytest.mark.parametrize(
    "told", [{"operationId": "o", "status": "MAYBE"}, {"operationId": "o"}, {"status": "ACCEPTED"}]
)
async def test_a_confirmation_of_nothing_is_ignored(autojump_clock: MockClock, told: dict[str, str]) -> None:
    async with signaling_rig() as rig:
        socket, _ = await rig.connect()
        socket.send("DataStatusEvent", told)
        socket.send("ping", None)
        await socket.receive("pong")
        await trio.testing.wait_all_tasks_blocked()
        assert rig.backend.called("DataStatusEvent") == []


# -- what an application does with it ----------------------------------------------------------------------------------


class Handler:
    """Notes what it gets."""

    def __init__(self) -> None:
        self.taken: list[tuple[Any, Settle]] = []
        self.ended = 0

    def take(self, payload: Any, settle: Settle, *, sent: Any) -> None:
        self.taken.append((payload, settle))

    def end(self) -> None:
        self.ended += 1


def with_handler(session: Session) -> Handler:
    """The session's handler from now on."""
    handler = Handler()
    assert session._requests is not None
    session._requests._data._handler = handler
    return handler


async def test_an_applications_handler_gets_what_the_backend_made_of_the_data(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        rig.backend.answers["OnDataEvent"] = lambda _, body: httpx.Response(200, json=body | {"payload": 2})
        socket, session = await connected_with(rig, OnDataEvent=overwriting("payload"))
        handler = with_handler(session)
        socket.send("sendData", {"operationId": "o1", "payload": 1})
        await trio.testing.wait_all_tasks_blocked()
        ((payload, settle),) = handler.taken
        assert payload == 2
        assert rig.backend.called("DataStatusEvent") == []
        settle(DataStatus.FAILED, "no such room")
        settle(DataStatus.ACCEPTED)
        told = await socket.receive("DataStatusEvent")
        assert (told["operationId"], told["status"], told["info"]) == ("o1", "FAILED", "no such room")
        await trio.testing.wait_all_tasks_blocked()
        assert len(rig.backend.called("DataStatusEvent")) == 1


async def test_a_handler_never_sees_what_the_backend_denies(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        rig.backend.answers["OnDataEvent"] = lambda _, body: httpx.Response(403, json={"info": "no"})
        socket, session = await connected_with(rig, OnDataEvent={"restOnError": "FAIL"})
        handler = with_handler(session)
        socket.send("sendData", {"operationId": "o1", "payload": 1})
        assert (await socket.receive("DataStatusEvent"))["info"] == "no"
        assert handler.taken == []


async def test_a_handler_is_told_once_of_the_end_and_may_settle_after_it(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, session = await rig.connect()
        handler = with_handler(session)
        socket.send("sendData", {"operationId": "o1", "payload": 1})
        await trio.testing.wait_all_tasks_blocked()
        socket.disconnect()
        await session.stopped.wait()
        assert handler.ended == 1
        handler.taken[0][1](DataStatus.ACCEPTED)

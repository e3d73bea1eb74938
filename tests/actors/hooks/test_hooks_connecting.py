"""What a backend hears of sessions, from `connect` to their end."""

import trio
import trio.testing
from trio.testing import MockClock

from tests.support.session.signaling_rig import SignalingRig, signaling_rig


def told(rig: SignalingRig) -> list[tuple[str, str | None]]:
    """Every call so far, with its status."""
    return [(method, body.get("status")) for method, body in rig.backend.calls]


async def test_a_session_is_told_from_its_start_to_its_end(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        client, session = await rig.connect()
        client.disconnect()
        await session.stopped.wait()
        await rig.dispatcher.drain(60)
        assert told(rig) == [
            ("connect", None),
            ("ConnectionStatusEvent", "ESTABLISHED"),
            ("ConnectionStatusEvent", "DISCONNECTED"),
        ]


async def test_a_client_that_leaves_while_the_backend_thinks_is_told_to_have_left(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        rig.backend.gates["connect"] = trio.Event()
        client, session = rig.open()
        client.send("connection", {"appKey": "defaultApp", "mediaProviders": ["WebRTC"]})
        await trio.testing.wait_all_tasks_blocked()
        client.disconnect()
        await session.stopped.wait()
        await rig.dispatcher.drain(60)
        assert told(rig) == [("connect", None), ("ConnectionStatusEvent", "DISCONNECTED")]
        (_, body) = rig.backend.calls[-1]
        assert body == {
            "nodeId": "node1", "appKey": "defaultApp", "sessionId": session.session_id, "status": "DISCONNECTED",
        }  # fmt: skip


async def test_clients_that_never_come_so_far_are_not_told(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        for frames in ([], [{"appKey": "unknown"}]):
            client, session = rig.open()
            for frame in frames:
                client.send("connection", frame)
            await trio.testing.wait_all_tasks_blocked()
            client.disconnect()
            await session.stopped.wait()
        assert told(rig) == []

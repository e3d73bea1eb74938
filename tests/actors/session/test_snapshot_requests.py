"""How pages are answered that ask for pictures of streams: in two forms, and not as often as they like."""

from typing import Any, cast

import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from actors.node.ports.recorder import NoSuchPublication
from actors.node.ports.snapshot import NotInTime
from actors.stream.snapshots import StreamSnapshots
from protocol.stream.pictures import Picture, PictureSpec
from tests.support.session.memory_socket import MemorySocket
from tests.support.session.signaling_rig import SignalingRig, signaling_rig

NOT_IN_TIME = "No key frame came in time"


@define
class FakePictures:
    """In the place of `StreamSnapshots`: a picture of `news`, late ones of `late`, and of no other."""

    asked: list[tuple[str, PictureSpec]] = field(factory=list)

    async def of(self, name: str, spec: PictureSpec) -> Picture:
        self.asked.append((name, spec))
        if name == "late":
            await trio.sleep(2)
            raise NotInTime(NOT_IN_TIME, "snapshot.timeout")
        if name != "news":
            raise NoSuchPublication
        return Picture(data=b"cGljdHVyZQ==", width=2, height=1)


def give_pictures(rig: SignalingRig) -> FakePictures:
    fake = FakePictures()
    streams = evolve(rig.services.streams, snapshots=cast(StreamSnapshots, fake))
    rig.services = evolve(rig.services, streams=streams)
    return fake


async def answers(socket: MemorySocket, media_session_id: str, name: str) -> list[tuple[str, str, Any]]:
    """Ask for a picture; what comes for this id: the message, its type or status, and what it carries."""
    socket.send("snapshot", {"mediaSessionId": media_session_id, "name": name})
    await socket.receive("notifyStreamEvent", mediaSessionId=media_session_id)
    socket.send("ping", None)
    await socket.receive("pong")
    answered = []
    for frame in socket.frames:
        data = frame["data"][0]
        if isinstance(data, dict) and data.get("mediaSessionId") == media_session_id:
            answered.append((frame["message"], data.get("type") or data["status"], data.get("payload") or data["info"]))
    return answered


async def test_a_picture_comes_in_both_forms(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        fake = give_pictures(rig)
        socket, _ = await rig.connect()
        assert await answers(socket, "s1", "news") == [
            ("notifyStreamEvent", "snapshotCompleted", {"snapshot": "cGljdHVyZQ=="}),
            ("notifyStreamStatusEvent", "SNAPSHOT_COMPLETE", "cGljdHVyZQ=="),
        ]
        assert fake.asked == [("news", PictureSpec(max_bytes=rig.services.streams.settings.snapshot_page_max_bytes))]


async def test_a_failure_too_and_the_pages_other_frames_need_not_wait(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        give_pictures(rig)
        socket, _ = await rig.connect()
        socket.send("snapshot", {"mediaSessionId": "s1", "name": "late"})
        assert (await answers(socket, "s2", "nobody"))[0][2] == {"info": "Stream not found"}
        event = await socket.receive("notifyStreamEvent", mediaSessionId="s1")
        status = await socket.receive("notifyStreamStatusEvent", mediaSessionId="s1")
        assert (event["type"], event["payload"]) == ("snapshotFailed", {"info": NOT_IN_TIME})
        assert (status["status"], status["info"]) == ("FAILED", NOT_IN_TIME)


async def test_a_client_that_asks_too_often_is_refused(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        fake = give_pictures(rig)
        socket, _ = await rig.connect()
        told = [await answers(socket, f"s{number}", "news") for number in range(5)]
        assert [each[0][1] for each in told] == ["snapshotCompleted"] * 4 + ["snapshotFailed"]
        assert told[-1][0][2] == {"info": "Too many snapshots"}
        assert len(fake.asked) == 4
        await trio.sleep(1)
        assert (await answers(socket, "s9", "news"))[0][1] == "snapshotCompleted"


async def test_a_client_that_leaves_meanwhile_is_sent_nothing(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        give_pictures(rig)
        socket, session = await rig.connect()
        socket.send("snapshot", {"mediaSessionId": "s1", "name": "late"})
        await trio.testing.wait_all_tasks_blocked()
        socket.disconnect()
        await session.stopped.wait()
        assert socket.received("notifyStreamEvent") == []

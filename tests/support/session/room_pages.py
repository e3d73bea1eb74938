"""Clients of an application with rooms, in memory: what a page sends to a room and hears from it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import trio
import trio.testing
from attrs import define

from actors.session import Session
from config.apps import ROOM_APP_URL, App
from tests.support.session.memory_socket import MemorySocket
from tests.support.session.signaling_rig import ALL_METHODS, SignalingRig, app, signaling_rig, stream_request

ROOM_APP = App(name="roomApp", key="roomApp", url=ROOM_APP_URL, methods=ALL_METHODS, rooms=True)
"""As it is shipped: without a backend of its own."""
OWN_APP = app("ownApp", rooms=True)
"""One whose backend is asked."""

_operations = count(1)


@define(eq=False)
class RoomPage:
    """A client of rooms."""

    rig: SignalingRig
    socket: MemorySocket
    session: Session
    login: str
    read: int = 0
    """Frames that were looked at for events."""

    async def ask(self, command: str, options: Any) -> str | None:
        """Send a command; None if it is accepted, else the info of its refusal."""
        return await self.answer(self.send(command, options))

    def send(self, command: str, options: Any) -> str:
        """Send a command; its operation id."""
        operation = f"op{next(_operations)}"
        self.socket.send("sendData", {"operationId": operation, "payload": {"command": command, "options": options}})
        return operation

    async def answer(self, operation: str) -> str | None:
        """The answer to a command."""
        answer = await self.socket.receive("DataStatusEvent", operationId=operation)
        return None if answer["status"] == "ACCEPTED" else answer["info"]

    async def join(self, room: str = "lobby") -> str | None:
        return await self.ask("join", {"name": room})

    async def leave(self, room: str = "lobby") -> str | None:
        return await self.ask("leave", {"name": room})

    async def say(self, to: str, text: Any, room: str = "lobby") -> str | None:
        return await self.ask("sendMessage", {"roomConfig": {"name": room}, "to": to, "text": text})

    async def heard(self) -> list[tuple[str, Any]]:
        """The events of rooms that have arrived and were not asked for before, each as name and info."""
        return [(payload["name"], payload["info"]) for payload in await self.payloads()]

    async def payloads(self) -> list[dict[str, Any]]:
        """The same as they came."""
        await trio.testing.wait_all_tasks_blocked()
        self.socket.send("ping", None)
        await self.socket.receive("pong")
        new, self.read = self.socket.frames[self.read :], len(self.socket.frames)
        return [frame["data"][0]["payload"] for frame in new if frame["message"] == "OnDataEvent"]

    def publish(self, name: str, media_session_id: str, room: str = "lobby") -> None:
        request = stream_request(name, media_session_id, published=True, custom={"name": room})
        self.socket.send("publishStream", request)

    def play(self, name: str, media_session_id: str, room: str = "lobby") -> None:
        request = stream_request(name, media_session_id, published=False, custom={"name": room})
        self.socket.send("playStream", request)

    async def until(self, media_session_id: str, status: str) -> dict[str, Any]:
        """Wait for a stream's status."""
        told: dict[str, Any] = await self.socket.receive(
            "notifyStreamStatusEvent", mediaSessionId=media_session_id, status=status
        )
        return told


async def room_page(rig: SignalingRig, login: Any, app_key: str = "roomApp") -> RoomPage:
    """A client that has connected, and joined nothing."""
    socket, session = await rig.connect(appKey=app_key, custom={"login": login})
    return RoomPage(rig, socket, session, login)


@asynccontextmanager
async def room_rig(**settings: Any) -> AsyncIterator[SignalingRig]:
    """A rig with three applications: two with rooms, one of them before the backend; and `defaultApp`."""
    async with signaling_rig(apps=[ROOM_APP, OWN_APP, app()], **settings) as rig:
        yield rig


async def in_room(rig: SignalingRig, *logins: str) -> list[RoomPage]:
    """Pages that have joined the lobby one after the other, and have read what they heard of it."""
    pages = [await room_page(rig, login) for login in logins]
    for page in pages:
        assert await page.join() is None
    for page in pages:
        await page.heard()
    return pages

"""Sessions, streams and hooks put together in memory: everything but sockets and media."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, cast

import httpx
import trio
from attrs import define, field

from actors.hooks.dispatcher import HookDispatcher
from actors.media.plane import MediaPlane
from actors.node.bans import Bans
from actors.node.directory import Directory
from actors.node.supervisor import Supervisor
from actors.rooms import RoomDirectory, RoomServices
from actors.runtime.actor import StopReason
from actors.runtime.overload import Overload
from actors.session import FrameDecoder, OutboxPool, Session, SessionServices
from actors.storage.app_store import AppStore
from actors.stream import Broadcast, Stream, StreamServices
from config.apps import App
from config.settings import Settings
from protocol.hooks import HookMethod
from tests.support.hooks.hook_transport import MemoryTransport
from tests.support.media.fake_plane import FakePlane
from tests.support.session.memory_socket import MemorySocket

BACKEND = "http://backend.test/api"
TEST_OVER = StopReason(cause="test-over")

Answer = Callable[[str, dict[str, Any]], httpx.Response]


@define
class Backend:
    """The customer's backend: notes every call, answers as the test says (200 with an empty object by default)."""

    answers: dict[str, Answer] = field(factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(factory=list)
    gates: dict[str, trio.Event] = field(factory=dict)
    """Methods whose answer waits for an event."""
    waits: dict[str, Callable[[dict[str, Any]], trio.Event | None]] = field(factory=dict)
    """Methods of which some calls wait: which event, by the call's body."""

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        method = request.url.path.rpartition("/")[2]
        body = json.loads(request.content)
        self.calls.append((method, body))
        if method in self.gates:
            await self.gates[method].wait()
        waits = self.waits.get(method)
        event = waits(body) if waits is not None else None
        if event is not None:
            await event.wait()
        answer = self.answers.get(method)
        return answer(method, body) if answer else httpx.Response(200, json={})

    def called(self, method: str) -> list[dict[str, Any]]:
        """The bodies of all calls of `method` so far."""
        return [body for name, body in self.calls if name == method]


class Apps:
    """An application table."""

    def __init__(self, apps: Sequence[App]) -> None:
        self.by_key = {app.key: app for app in apps}.get


class SignalingRig:
    """One server's signalling; `connect` gives clients."""

    def __init__(self, settings: Settings, *, plane: FakePlane, apps: Sequence[App], backend: Backend) -> None:
        self.settings = settings
        self.plane = plane
        self.backend = backend
        self.supervisor = Supervisor()
        self.dispatcher = HookDispatcher(settings, transport=MemoryTransport(self.backend))
        self.directory: Directory[Broadcast] = Directory()
        self.overflows = 0
        self.overload = Overload(settings.overload_max_loop_lag)
        self.bans = Bans(wall_clock=trio.current_time)
        self._numbers = count(1)
        self.session_prefix = "session"
        room_services = RoomServices(node_id="node1", settings=settings, wall_clock=lambda: 1000.0)
        self.rooms = RoomDirectory(room_services, self.supervisor)
        self.services = SessionServices(
            node_id="node1",
            dispatcher=self.dispatcher,
            apps=cast(AppStore, Apps(apps)),
            rooms=self.rooms,
            streams=StreamServices(
                plane=cast(MediaPlane, plane),
                directory=self.directory,
                supervisor=self.supervisor,
                settings=settings,
                wall_clock=lambda: 1000.0,
                overload=self.overload,
                bans=self.bans,
            ),
            make_token=lambda: "token",
            outboxes=OutboxPool(settings.max_outbox_total, self.supervisor.turns, on_overflow=self._note_overflow),
            decoder=FrameDecoder(settings.ws_max_frame_elements),
        )

    def _note_overflow(self) -> None:
        self.overflows += 1

    def open(self, *, reads: bool = True) -> tuple[MemorySocket, Session]:
        """A client whose socket is open and that has said nothing yet."""
        socket = MemorySocket(reads=reads)
        session_id = f"{self.session_prefix}{next(self._numbers)}"
        session = Session(socket, session_id=session_id, origin="https://page.test", services=self.services)
        self.supervisor.adopt_session(session)
        return socket, session

    def live_streams(self) -> Iterator[Stream]:
        """As the server gives them to its keep-alive walker."""
        return cast(Iterator[Stream], self.supervisor.live_streams())

    async def connect(self, **connection: Any) -> tuple[MemorySocket, Session]:
        """An established client."""
        socket, session = self.open()
        socket.send("connection", {"appKey": "defaultApp", "mediaProviders": ["WebRTC"], **connection})
        await socket.receive("getUserData")
        return socket, session

    async def crowd(self, size: int, *, reads: bool = True) -> list[MemorySocket]:
        """Many established clients, which have not received anything yet."""
        sockets = []
        for _ in range(size):
            socket, _ = self.open(reads=reads)
            socket.send("connection", {"appKey": "defaultApp", "mediaProviders": ["WebRTC"]})
            sockets.append(socket)
        await trio.testing.wait_all_tasks_blocked()
        return sockets

    async def publish(self, socket: MemorySocket, name: str, media_session_id: str) -> None:
        """Publish and wait for PUBLISHING."""
        socket.send("publishStream", stream_request(name, media_session_id, published=True))
        await socket.receive("notifyStreamStatusEvent", mediaSessionId=media_session_id, status="PUBLISHING")

    async def play(self, socket: MemorySocket, name: str, media_session_id: str) -> None:
        """Play and wait for PLAYING."""
        socket.send("playStream", stream_request(name, media_session_id, published=False))
        await socket.receive("notifyStreamStatusEvent", mediaSessionId=media_session_id, status="PLAYING")


ALL_METHODS = frozenset(method.value for method in HookMethod)


def app(key: str = "defaultApp", methods: frozenset[str] = ALL_METHODS, *, rooms: bool = False) -> App:
    """An application before the rig's backend."""
    return App(name=key, key=key, url=BACKEND, methods=methods, rooms=rooms)


@asynccontextmanager
async def signaling_rig(
    *,
    auto: bool = True,
    methods: frozenset[str] = ALL_METHODS,
    apps: Sequence[App] = (),
    backend: Backend | None = None,
    **settings: Any,
) -> AsyncIterator[SignalingRig]:
    """A running rig, of one application unless told otherwise.

    At its end every actor must have ended and every hook have been sent.
    """
    rig = SignalingRig(
        Settings(**settings),
        plane=FakePlane(auto=auto),
        apps=apps or [app(methods=methods)],
        backend=backend or Backend(),
    )
    async with trio.open_nursery() as services:
        services.start_soon(rig.dispatcher.run)
        async with trio.open_nursery() as actors:
            await actors.start(rig.supervisor.run)
            try:
                yield rig
            finally:
                rig.supervisor.close(TEST_OVER)
        await rig.dispatcher.drain(60)
        rig.dispatcher.stop(TEST_OVER)


def stream_request(name: str, media_session_id: str, *, published: bool, **fields: Any) -> dict[str, Any]:
    """The object of `publishStream` or `playStream`."""
    return {
        "mediaSessionId": media_session_id,
        "name": name,
        "published": published,
        "hasVideo": True,
        "hasAudio": True,
        "status": "PENDING",
        "record": False,
        "mediaProvider": "WebRTC",
        "sdp": "v=0",
        **fields,
    }

"""What a page says to each of the two servers: one WebSocket, one session, one stream to publish or to play."""

import itertools
import uuid
from typing import Any, Protocol

import trio

from tests.bench.media.peers.descriptions import RTX_SSRC, VIDEO_SSRC
from tests.bench.media.peers.json_lines import JsonLines
from tests.bench.media.peers.viewer import Viewer
from tests.bench.media.peers.websocket import WebSocket


class Refused(Exception):
    """The server did not do what it was asked."""


class Reply:
    """A value that comes later."""

    def __init__(self) -> None:
        self._came = trio.Event()
        self._value: Any = None

    def put(self, value: Any) -> None:
        self._value = value
        self._came.set()

    async def get(self) -> Any:
        await self._came.wait()
        if isinstance(self._value, Refused):
            raise self._value
        return self._value


class Client(Protocol):
    """One page. `ended` is the kernel's stamp of the first message that said its stream was ended by the server."""

    ended: bytes

    @property
    def socket(self) -> WebSocket | JsonLines:
        """For a pump to watch."""

    async def open(self) -> None:
        """Connect and have a session."""

    async def attend(self) -> None:
        """As a viewer, come as far as a page is before anybody presses play."""

    async def publish(self, offer: str) -> str:
        """Publish; the server's answer."""

    async def play(self, viewer: Viewer) -> None:
        """Ask for the stream and exchange descriptions; media follows."""


class WcsClient:
    """The WebSDK's language."""

    def __init__(self, url: str, stream: str) -> None:
        self.ended = b""
        self._stream = stream
        self._id = str(uuid.uuid4())
        self._opened, self._description = Reply(), Reply()
        self.socket = WebSocket(url, self._on_message)

    async def open(self) -> None:
        connection = {"appKey": "defaultApp", "mediaProviders": ["WebRTC"], "clientVersion": "2.0"}
        self._send("connection", connection)
        await self._opened.get()

    async def attend(self) -> None:
        pass

    async def publish(self, offer: str) -> str:
        self._send("publishStream", self._request(offer, published=True))
        return str(await self._description.get())

    async def play(self, viewer: Viewer) -> None:
        self._send("playStream", self._request(viewer.offer(), published=False))
        viewer.accept(await self._description.get())
        viewer.start()

    def _request(self, offer: str, *, published: bool) -> dict[str, Any]:
        return {
            "mediaSessionId": self._id,
            "name": self._stream,
            "published": published,
            "hasVideo": True,
            "hasAudio": not published,
            "status": "PENDING",
            "record": False,
            "mediaProvider": "WebRTC",
            "sdp": offer,
        }

    def _send(self, message: str, data: Any) -> None:
        self.socket.send({"message": message, "data": [data]})

    def _on_message(self, frame: Any, stamp: bytes) -> None:
        data = frame["data"]
        match frame["message"]:
            case "ping":
                self._send("pong", None)
            case "getUserData":
                self._opened.put(None)
            case "setRemoteSDP":
                self._description.put(data[1])
            case "notifyStreamStatusEvent" if data[0]["status"] in ("FAILED", "STOPPED", "UNPUBLISHED"):
                self.ended = self.ended or stamp
                self._description.put(Refused(str(data[0].get("info"))))


class JanusClient:
    """Janus' WebSocket API and its VideoRoom plugin. `stream` is the room; its publisher has feed 1.

    A viewer is in the room twice, as is usual: once as a participant that publishes nothing, for only participants are
    told what happens in a room, and once as a subscriber.
    """

    FEED = 1

    def __init__(self, url: str, stream: str) -> None:
        self.ended = b""
        self._room = int(stream)
        self._numbers = itertools.count(1)
        self._replies: dict[str, Reply] = {}
        self._ids: dict[str, int] = {}
        self.socket = WebSocket(url, self._on_message, subprotocols=["janus-protocol"])

    async def open(self) -> None:
        self._ids["session_id"] = (await self._ask({"janus": "create"}))["data"]["id"]
        await self._attach()

    async def attend(self) -> None:
        await self._message({"request": "join", "room": self._room, "ptype": "publisher"})
        await self._attach()

    async def publish(self, offer: str) -> str:
        body = {"request": "joinandconfigure", "room": self._room, "ptype": "publisher", "id": self.FEED}
        return self._description(await self._message(body, {"type": "offer", "sdp": offer}))

    async def play(self, viewer: Viewer) -> None:
        body = {"request": "join", "room": self._room, "ptype": "subscriber", "streams": [{"feed": self.FEED}]}
        offer = self._description(await self._message(body))
        answer = {"type": "answer", "sdp": viewer.answer(offer)}
        self._send({"janus": "message", "body": {"request": "start"}, "jsep": answer}, Reply())
        viewer.start()

    async def _message(self, body: dict[str, Any], jsep: dict[str, str] | None = None) -> Any:
        request: dict[str, Any] = {"janus": "message", "body": body}
        if jsep is not None:
            request["jsep"] = jsep
        return await self._ask(request)

    async def _attach(self) -> None:
        """From here on requests go to a new handle."""
        self._ids.pop("handle_id", None)
        attached = await self._ask({"janus": "attach", "plugin": "janus.plugin.videoroom"})
        self._ids["handle_id"] = attached["data"]["id"]

    @staticmethod
    def _description(event: Any) -> str:
        if "jsep" not in event:
            raise Refused(str(event))
        return str(event["jsep"]["sdp"])

    async def _ask(self, request: dict[str, Any]) -> Any:
        reply = Reply()
        self._send(request, reply)
        return await reply.get()

    def _send(self, request: dict[str, Any], reply: Reply) -> None:
        transaction = f"t{next(self._numbers)}"
        self._replies[transaction] = reply
        self.socket.send({**request, **self._ids, "transaction": transaction})

    def _on_message(self, message: Any, stamp: bytes) -> None:
        kind = message["janus"]
        if kind == "ack":
            return  # the event comes later
        if kind in ("hangup", "detached") or self._is_destroyed(message):
            self.ended = self.ended or stamp
        reply = self._replies.pop(message.get("transaction", ""), None)
        if reply is not None:
            reply.put(Refused(str(message)) if kind == "error" else message)

    @staticmethod
    def _is_destroyed(message: Any) -> bool:
        return bool(message.get("plugindata", {}).get("data", {}).get("videoroom") == "destroyed")


class MediasoupClient:
    """What `mediasoup_server.js` understands."""

    def __init__(self, url: str, stream: str) -> None:
        self.ended = b""
        self._stream = stream
        self._reply = Reply()
        self.socket = JsonLines(url, self._on_message)

    async def open(self) -> None:
        pass

    async def attend(self) -> None:
        pass

    async def publish(self, offer: str) -> str:
        return await self._ask({"do": "publish", "offer": offer, "ssrc": VIDEO_SSRC, "rtx_ssrc": RTX_SSRC})

    async def play(self, viewer: Viewer) -> None:
        viewer.accept(await self._ask({"do": "play", "offer": viewer.offer()}))
        viewer.start()

    async def _ask(self, request: dict[str, Any]) -> str:
        self._reply = Reply()
        self.socket.send({**request, "stream": self._stream})
        return str(await self._reply.get())

    def _on_message(self, message: Any, stamp: bytes) -> None:
        if "ended" in message:
            self.ended = self.ended or stamp
        else:
            self._reply.put(Refused(message["error"]) if "error" in message else message["sdp"])


CLIENTS: dict[str, type[WcsClient] | type[JanusClient] | type[MediasoupClient]] = {
    "wcsd": WcsClient,
    "wcsd before": WcsClient,
    "Janus": JanusClient,
    "mediasoup": MediasoupClient,
}

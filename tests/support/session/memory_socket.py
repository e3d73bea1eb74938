"""A WebSocket in memory: what a session holds as its socket, with the client's end in the test's hands."""

import json
import math
from typing import Any

import trio
from trio_websocket import CloseReason, ConnectionClosed

from actors.session.socket.receive_quota import ReceiveQuota


class MemorySocket:
    """A `Socket` for the session; the other methods are the client's."""

    has_pending = False
    quota: ReceiveQuota
    address: str | None = "192.0.2.1"

    def __init__(self, *, reads: bool = True) -> None:
        self._to_server, self._from_client = trio.open_memory_channel[str | bytes](math.inf)
        self._to_client, self._from_server = trio.open_memory_channel[str](math.inf)
        self.quota = ReceiveQuota()
        self.reads = reads
        self.close_code: int | None = None
        self.frames: list[dict[str, Any]] = []
        """Every frame that the client has received so far."""

    # -- the session's end ------------------------------------------------------------------------

    async def get_message(self) -> str | bytes:
        try:
            return await self._from_client.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise ConnectionClosed(CloseReason(1005, None)) from None

    def send_now(self, *messages: str) -> bool:
        if not self.reads:
            return False
        try:
            for message in messages:
                self._to_client.send_nowait(message)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        return True

    async def send_message(self, message: str) -> None:
        if not self.reads:
            await trio.sleep_forever()
        try:
            await self._to_client.send(message)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise ConnectionClosed(CloseReason(1006, None)) from None

    async def aclose(self, code: int = 1000, reason: str | None = None) -> None:
        if self.close_code is None:
            self.close_code = code
        self._to_client.close()
        self._from_client.close()
        await trio.lowlevel.checkpoint()

    # -- the client's end -------------------------------------------------------------------------

    def send(self, message: str, *data: Any) -> None:
        """Send one frame to the server."""
        self.send_text(json.dumps({"message": message, "data": list(data)}))

    def send_text(self, text: str | bytes) -> None:
        """Send any text to the server."""
        self._to_server.send_nowait(text)

    def disconnect(self) -> None:
        """The client's socket is gone."""
        self._to_server.close()
        self._from_server.close()

    async def receive(self, message: str, **expected: Any) -> Any:
        """The `data` of the next frame called `message` whose object has all the `expected` values; others are passed.

        Ten minutes of the test's clock are the cap.
        """
        with trio.fail_after(600):
            while True:
                frame = json.loads(await self._from_server.receive())
                self.frames.append(frame)
                if frame["message"] != message:
                    continue
                data = frame["data"]
                body = data[0] if data and isinstance(data[0], dict) else {}
                if all(body.get(key) == value for key, value in expected.items()):
                    return body or data

    def take(self) -> dict[str, Any]:
        """The next frame, if one has come; raises trio.WouldBlock."""
        try:
            frame: dict[str, Any] = json.loads(self._from_server.receive_nowait())
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise trio.WouldBlock from None
        return frame

    async def drain(self) -> list[dict[str, Any]]:
        """Every frame until the server closes, with those received before."""
        async for text in self._from_server:
            self.frames.append(json.loads(text))
        return self.frames

    def received(self, message: str) -> list[Any]:
        """The `data` of all frames called `message` that were received so far."""
        return [frame["data"] for frame in self.frames if frame["message"] == message]

"""An RTMP server that lets in who proves himself, as Adobe's do, and takes what is published without keeping it."""

import base64
import contextlib
import hashlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from protocol.rtmp.amf0 import read_values, write_values
from protocol.rtmp.chunks import ChunkReader, Message, MessageType, write_message

USER, PASSWORD = "joe", "s3cret"
SALT, CHALLENGE = "sAlt==", "cHallenge=="
HANDSHAKE = 1536


class RtmpGate(socketserver.ThreadingTCPServer):
    """`opaque`: what it wants to have back, if anything. `seen`: the applications of all connections.

    `user` and `password` are those who may publish. Nobody is answered unless `may_answer` is set.
    """

    daemon_threads = True

    def __init__(self, opaque: str | None) -> None:
        super().__init__(("127.0.0.1", 0), GateConnection)
        self.opaque = opaque
        self.user, self.password = USER, PASSWORD
        self.seen: list[str] = []
        self.published, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def refusal(self, app: str) -> str | None:
        """Why a connection with this application is refused."""
        self.seen.append(app)
        given = dict(pair.split("=", 1) for pair in app.partition("?")[2].split("&") if pair)
        if "authmod" not in given:
            return "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : "
        if unquote(given["user"]) != self.user:
            return "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=nosuchuser"
        if "response" not in given:
            opaque = "" if self.opaque is None else f"&opaque={self.opaque}"
            asked = f"?reason=needauth&user={given['user']}&salt={SALT}&challenge={CHALLENGE}{opaque}"
            return f"[ AccessManager.Reject ] : [ authmod=adobe ] : {asked}"
        is_right = given["response"] == self._expected(given["challenge"]) and given.get("opaque") == self.opaque
        return None if is_right else "[ AccessManager.Reject ] : [ authmod=adobe ] : ?reason=authfailed"

    def _expected(self, theirs: str) -> str:
        known = digest(f"{self.user}{SALT}{self.password}")
        return digest(known + (CHALLENGE if self.opaque is None else self.opaque) + theirs)


def digest(text: str) -> str:
    return base64.b64encode(hashlib.md5(text.encode()).digest()).decode()


class GateConnection(socketserver.BaseRequestHandler):
    """One connection."""

    request: socket.socket
    server: RtmpGate

    def handle(self) -> None:
        self.request.settimeout(60)
        hello = self._take(1 + HANDSHAKE)
        self.request.sendall(b"\x03" + bytes(HANDSHAKE) + hello[1:])
        self._take(HANDSHAKE)
        reader = ChunkReader()
        with contextlib.suppress(OSError):
            while data := self.request.recv(65_536):
                for message in reader.receive(data):
                    if message.type == MessageType.COMMAND and not self._answer(*read_values(message.body)):
                        return

    def _answer(self, name: str, transaction: float, *arguments: Any) -> bool:
        """Whether the connection goes on."""
        if name == "connect":
            self.server.may_answer.wait(60)
            refusal = self.server.refusal(arguments[0]["app"])
            if refusal is not None:
                about = {"level": "error", "code": "NetConnection.Connect.Rejected", "description": refusal}
                self._tell("_error", transaction, None, about)
                return False
            self._tell("_result", transaction, {}, {"level": "status", "code": "NetConnection.Connect.Success"})
        elif name == "createStream":
            self._tell("_result", transaction, None, 1.0)
        elif name == "publish":
            self._tell("onStatus", 0.0, None, {"level": "status", "code": "NetStream.Publish.Start"})
            self.server.published.set()
        return True

    def _tell(self, *values: Any) -> None:
        self.request.sendall(write_message(3, Message(MessageType.COMMAND, 0, 0, write_values(*values)), size=128))

    def _take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self.request.recv(count - len(data))
            if not more:
                raise ConnectionResetError
            data += more
        return data


@contextlib.contextmanager
def rtmp_gate(opaque: str | None = None) -> Iterator[RtmpGate]:
    with RtmpGate(opaque) as gate:
        serving = threading.Thread(target=gate.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        try:
            yield gate
        finally:
            gate.shutdown()
            serving.join()

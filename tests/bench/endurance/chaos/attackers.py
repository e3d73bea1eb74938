"""The attackers: one for each way to cost the server more than one pays.

Each has a rate, so that attacker, viewers and server can share two cores; what its steps leave open stays open.
"""

import contextlib
import re
import secrets
import socket

import trio
from attrs import define, field

from protocol.webrtc import stun
from tests.bench.endurance.chaos import wire
from tests.bench.endurance.chaos.attack import Attacker, Holding
from tests.support.session.wcs_client import ClientStream, WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer, vp8_key_frame

EMPTY_LISTS = "[" + ",".join(["[]"] * 340_000) + "]"
"""1 MiB of JSON that takes the most memory once it is read."""
MAGIC_COOKIE = bytes.fromhex("2112a442")  # RFC 8489 section 5
NUMBERS = "[" + ",".join(["1"] * 520_000) + "]"
APP = "chaos"
"""An application whose backend is an attacker's."""


class HeavyFrame(Attacker):
    """Strangers that send one frame of 1 MiB each."""

    door, rate, what = "ws", 2.0, "one frame of 520,000 numbers from a stranger, 2/s"

    async def step(self) -> None:
        with contextlib.closing(wire.websocket(self.target.ws)) as connection:
            connection.sendall(wire.message("connection", f'{{"mediaProviders":{NUMBERS}}}'))
            connection.recv(1 << 16)


class HeavySessions(Holding):
    """Sessions that weigh as much as a frame lets them."""

    door, rate, what, most = "ws", 5.0, "sessions of 1 MiB of empty lists each, 5/s, held", 200

    def open(self) -> socket.socket:
        connection = wire.websocket(self.target.ws)
        connection.sendall(wire.message("connection", f'{{"appKey":"defaultApp","custom":{EMPTY_LISTS}}}'))
        return connection


class Pings(Attacker):
    """A session that sends small frames as fast as they are taken."""

    door, rate, what = "ws", 100.0, "ping frames of ten sessions, up to 50,000/s"
    _sessions: list[socket.socket]

    async def prepare(self) -> None:
        self._sessions = [wire.websocket(self.target.ws) for _ in range(10)]
        for session in self._sessions:
            session.sendall(wire.connection_frame())

    async def step(self) -> None:
        pings = wire.message("ping", "null") * 50
        for session in list(self._sessions):
            with contextlib.suppress(BlockingIOError):
                session.setblocking(False)
                session.send(pings)
            if not list(wire.readable([session])):
                self._sessions.remove(session)
        if not self._sessions:
            await self.prepare()


class LightConnections(Attacker):
    """Connections that are closed before they say anything."""

    door, rate, what = "ws", 300.0, "connect and close, 300/s"

    async def step(self) -> None:
        wire.tcp(self.target.ws).close()


class IdleWebSockets(Holding):
    """Connections to the port of wss that never finish TLS."""

    door, rate, what, most = "wss", 100.0, "half TLS handshakes, 100/s, 3,000 held", 3000

    def open(self) -> socket.socket:
        return wire.tcp(self.target.wss, wire.hello())


class FalseUpgrades(Holding):
    """Upgrades that are refused and left open."""

    door, rate, what = "REST", 100.0, "upgrades without a key, 100/s, 1,500 held"

    def open(self) -> socket.socket:
        return wire.tcp(self.target.http, wire.upgrade(self.target.http, "X-Key: none"))


class IdleHttp(Holding):
    """Connections that are kept alive for nothing."""

    door, rate, what = "REST", 100.0, "idle keep-alive connections, 100/s, 1,500 held"

    def open(self) -> socket.socket:
        return wire.tcp(self.target.http, wire.request(self.target.http, "/healthz", close=False))


class LongQueries(Attacker):
    """What a foreign page can send: a GET with a query of 55 kB."""

    door, rate, what = "REST", 10.0, "a query of 55 kB with 15,000 keys, 10/s"

    async def step(self) -> None:
        query = "&".join(f"{number:x}=" for number in range(11_000))
        wire.exchange(self.target.http, wire.request(self.target.http, f"/rest-api/stream/find?{query}"))


class SlowBodies(Holding):
    """Bodies that never come."""

    door, rate, what = "REST", 100.0, "a POST whose body does not come, 100/s, 1,500 held"

    def open(self) -> socket.socket:
        whole = wire.request(self.target.http, "/rest-api/stream/find", " " * 1000, close=False)
        return wire.tcp(self.target.http, whole[:-1000])


class NestedBodies(Attacker):
    """REST bodies that are dear to read."""

    door, rate, what = "REST", 5.0, "a POST of 1 MiB of empty lists, 5/s"

    async def step(self) -> None:
        wire.exchange(self.target.http, wire.request(self.target.http, "/rest-api/stream/find", EMPTY_LISTS))


@define(eq=False)
class Publishing(Attacker):
    """An attacker with a stream that is really published."""

    client: WcsClient = field(init=False)
    stream: ClientStream = field(init=False)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.target.ws}"

    async def prepare(self) -> None:
        self.client = await self.enter()
        self.stream = await self.client.publish(f"chaos-{secrets.token_hex(4)}")

    async def enter(self) -> WcsClient:
        """One more session."""
        client: WcsClient = await self.nursery.start(_hold_client, self.url)
        return client


class Events(Publishing):
    """A publisher's events, which go to every viewer."""

    door, rate, what = "ws", 2.0, "events of 900 kB to 60 viewers, 2/s"

    async def prepare(self) -> None:
        await super().prepare()
        for _ in range(60):
            viewer = await self.enter()
            await viewer.play(self.stream.name)

    async def step(self) -> None:
        event = {"mediaSessionId": self.stream.id, "type": "data", "payload": "x" * 900_000}
        await self.client.send("sendStreamEvent", event)


class Packets(Publishing):
    """A publisher's packets: tiny ones, below every limit of bits."""

    door, rate, what = "UDP", 200.0, "30,000 small packets/s of one publisher"

    async def step(self) -> None:
        for _ in range(150):
            self.stream.sequence += 1
            packet = self.stream.peer.rtp(
                self.stream.sequence & 0xFFFF, b"\x90\x80\x01", timestamp=self.stream.sequence
            )
            with contextlib.suppress(OSError):
                self.stream.peer.send(packet)


class SizeChanges(Publishing):
    """A publisher whose picture changes its size all the time."""

    door, rate, what = "UDP", 300.0, "300 key frames/s, each of another size"

    async def step(self) -> None:
        self.stream.sequence += 1
        number = self.stream.sequence
        payload = vp8_key_frame(b"", width=100 + number % 1000)
        with contextlib.suppress(OSError):
            self.stream.peer.send(self.stream.peer.rtp(number & 0xFFFF, payload, marker=True, timestamp=number * 3000))


class Handshakes(Publishing):
    """One session that begins handshakes and leaves them."""

    door, rate, what = "UDP", 50.0, "50 streams/s of one session, each with a check and no handshake"

    async def prepare(self) -> None:
        self.client = await self.enter()

    async def step(self) -> None:
        peer = MediaPeer()
        name = secrets.token_hex(8)
        try:
            media_session_id = await self.client.request("publishStream", name, peer.publish_offer())
            with trio.move_on_after(1):
                answer = await self.client.receive("setRemoteSDP", mediaSessionId=media_session_id)
                peer.udp.sendto(_check(answer["sdp"], peer.ufrag), ("127.0.0.1", self.target.udp))
        finally:
            peer.udp.close()


class Garbage(Attacker):
    """Datagrams that look like something."""

    door, rate, what = "UDP", 200.0, "10,000 datagrams/s that look like STUN, DTLS and RTP, from ever new ports"

    async def step(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind((wire.ADDRESS, 0))
            for first in (0, 20, 128, 200, 64):
                for _ in range(10):
                    datagram = bytes([first, 1, 0, 0x50]) + MAGIC_COOKIE + secrets.token_bytes(92)
                    udp.sendto(datagram, ("127.0.0.1", self.target.udp))


class EvilBackend(Attacker):
    """An application's backend that answers every hook with 1 MiB of empty lists."""

    door, rate, what = "hooks", 5.0, "a backend whose answers are 1 MiB of empty lists, 5 sessions/s"

    async def prepare(self) -> None:
        listeners = await self.nursery.start(trio.serve_tcp, _answer_heavily, 0)
        self.backend = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"

    async def step(self) -> None:
        with contextlib.closing(wire.websocket(self.target.ws)) as connection:
            connection.sendall(wire.connection_frame(appKey=APP))
            await trio.sleep(0.5)


class OperatorSocket(Holding):
    """Clients of the operator's socket that never end their line."""

    door, rate, what, most = "operator", 20.0, "lines without an end on the operator's socket, 20/s, 100 held", 100

    def open(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(1)
        connection.connect(str(self.target.operator))
        connection.sendall(b"x" * 1000)
        return connection


class LogLines(Attacker):
    """Sessions whose log nobody reads: the bench stops the reader of standard error."""

    door, rate, what = "log", 50.0, "50 sessions/s while nobody reads the log"

    async def step(self) -> None:
        with contextlib.closing(wire.websocket(self.target.ws)) as connection:
            connection.sendall(wire.connection_frame())
            connection.recv(1 << 16)


class Terminates(Attacker):
    """Requests that look at every stream and match none."""

    door, rate, what = "REST", 50.0, "find_all and a terminate that matches nothing, 50/s"

    async def step(self) -> None:
        port = self.target.http
        terminate = wire.request(port, "/rest-api/stream/terminate", '{"name": "nobody"}', close=False)
        wire.exchange(port, terminate + wire.request(port, "/rest-api/stream/find_all", "{}"))


ATTACKERS: dict[str, type[Attacker]] = {
    "heavy-frame": HeavyFrame,
    "heavy-sessions": HeavySessions,
    "pings": Pings,
    "connect-close": LightConnections,
    "half-tls": IdleWebSockets,
    "false-upgrades": FalseUpgrades,
    "idle-http": IdleHttp,
    "long-queries": LongQueries,
    "slow-bodies": SlowBodies,
    "nested-bodies": NestedBodies,
    "find-all": Terminates,
    "events": Events,
    "packets": Packets,
    "sizes": SizeChanges,
    "handshakes": Handshakes,
    "garbage": Garbage,
    "evil-backend": EvilBackend,
    "operator": OperatorSocket,
    "log": LogLines,
}


def _check(answer: str, ufrag: str) -> bytes:
    """An ICE check that the server takes for valid."""
    ufrag_of_server, password = (
        re.findall(rf"^a={name}:(.*)\r$", answer, re.MULTILINE)[0] for name in ("ice-ufrag", "ice-pwd")
    )
    return stun.build_request(
        transaction_id=secrets.token_bytes(12),
        username=f"{ufrag_of_server}:{ufrag}",
        key=password.encode(),
        priority=1,
        tie_breaker=1,
        use_candidate=True,
    )


async def _hold_client(url: str, *, task_status: trio.TaskStatus[WcsClient] = trio.TASK_STATUS_IGNORED) -> None:
    """A session for as long as the attack lasts, with its pings answered."""
    async with wcs_client(url) as client:
        task_status.started(client)
        while not client.closed.is_set():
            await trio.sleep(5)
            with contextlib.suppress(Exception):
                await client.send("pong", None)


async def _answer_heavily(stream: trio.SocketStream) -> None:
    """One answer for whatever comes."""
    body = f'{{"custom":{EMPTY_LISTS}}}'.encode()
    async with stream:
        await stream.receive_some(1 << 16)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.send_all(head.encode() + body)
            await stream.receive_some(1)

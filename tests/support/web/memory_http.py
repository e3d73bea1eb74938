"""An HTTP connection of the web service in memory: the server's end runs, the client's end is in the test's hands."""

import trio
from starlette.types import ASGIApp
from trio.testing import memory_stream_pair

from actors.net.tcp_stream import TcpStream
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.web.http.admission import ConnectionAdmission
from actors.web.http.asgi_exchange import WebService
from actors.web.http.client_stream import ClientStream
from actors.web.http.connection import HttpConnection
from actors.web.http.failure_pacing import FailureRates
from config.settings import Settings

CLIENT = "192.0.2.1"


class _Socket:
    """What a connection asks of its socket beside bytes."""

    def getpeername(self) -> tuple[str, int]:
        return CLIENT, 50_000

    def getsockname(self) -> tuple[str, int]:
        return "192.0.2.2", 80

    def shutdown(self, how: int) -> None:
        pass


class MemoryTcp(TcpStream):
    """A TCP connection in memory; `client` is its other end."""

    def __init__(self) -> None:
        self.client, self._ours = memory_stream_pair()
        self.socket = _Socket()  # type: ignore[assignment]

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._ours.send_all(data)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return bytes(await self._ours.receive_some(max_bytes))

    async def aclose(self) -> None:
        await self._ours.aclose()


class MemoryHttp:
    """See above. `ended_at`: when the server has given the connection up, on the test's clock."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._log = RateLimitedLog(get_logger("web"), clock=trio.current_time)
        self._service = WebService(
            app=app,
            failures=FailureRates(100, self._log),
            settings=settings,
            proxies=settings.trusted_proxies,
            send_timeout=30.0,
        )
        self._tcp = MemoryTcp()
        self.client = self._tcp.client
        self.ended_at: float | None = None

    async def run(self) -> None:
        stream = ClientStream(self._tcp, None, send_timeout=30.0)
        life = trio.CancelScope()
        place = ConnectionAdmission(limit=10, per_client=10, log=self._log).admit(stream.peer, life.cancel)
        assert place is not None
        await HttpConnection(stream, place, life, self._service, self._log).run()
        self.ended_at = trio.current_time()
        await self._tcp.aclose()

"""A worker that opens what strangers name reaches allowed sources only, whatever its source says, and no file."""

import functools
import io
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import av
import pytest
import trio

import actors
from actors.net.resolver import Resolver
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.workers.capturing.source_access import SourceAccess, SourceDenied
from actors.workers.capturing.source_forwarder import MAX_NAMES, SourceForwarder, ports_for
from protocol.capture.rules import read_rules
from protocol.capture.uri import read_capture_uri
from tests.support.capture.hostile_uris import MALFORMED, NO_SOURCE, OUT_OF_REACH

GOOD, EVIL = "127.0.0.1", "127.0.0.2"
NAMES: Final = {"good.example": (GOOD,), "evil.example": (EVIL,), "both.example": (EVIL, GOOD)}
ROOT: Final = str(Path(actors.__file__).resolve().parents[1])
ALLOWED: Final = (GOOD, "*.example")


@functools.cache
def film() -> bytes:
    """Two seconds of grey in an MPEG transport stream."""
    written = io.BytesIO()
    with av.open(written, "w", format="mpegts") as container:
        video = container.add_stream("mpeg2video", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for _ in range(50):
            container.mux(video.encode(av.VideoFrame(64, 48, "yuv420p")))
        container.mux(video.encode(None))
    return written.getvalue()


def playlist(segment: str) -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{segment}\n#EXT-X-ENDLIST\n".encode()


class Web:
    """Serves pages at GOOD, and counts who comes to EVIL, at the same port."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {"/film.ts": film(), "/film.m3u8": playlist("film.ts")}
        self.lured: list[bytes] = []
        self.port = 0

    def url(self, path: str, host: str = "good.example") -> str:
        return f"http://{host}:{self.port}/{path}"

    async def open(self, nursery: trio.Nursery) -> None:
        for address, handler in ((GOOD, self._serve), (EVIL, self._lure)):
            (listener,) = await trio.open_tcp_listeners(self.port, host=address)
            self.port = listener.socket.getsockname()[1]
            nursery.start_soon(trio.serve_listeners, handler, [listener])

    async def _serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            with suppress(trio.BrokenResourceError):  # who has seen enough leaves
                await stream.send_all(self._answer(bytes(await stream.receive_some(4096))))

    def _answer(self, request: bytes) -> bytes:
        words = request.split(b" ")
        if b" RTSP/1.0" in request:
            host = EVIL if b"literal" in words[1] else "evil.example"
            return f"RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: rtsp://{host}:{self.port}/x\r\n\r\n".encode()
        page = self.pages.get(words[1].decode(errors="replace")) if len(words) > 1 else None
        if page is None:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        if page.startswith(b"to "):
            head = b"HTTP/1.1 302 Found\r\nLocation: %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            return head % page[3:]
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
        return head % len(page) + page

    async def _lure(self, stream: trio.SocketStream) -> None:
        self.lured.append(b"somebody")
        await stream.aclose()


def lookup(name: str) -> tuple[str, ...]:
    if name not in NAMES:
        raise OSError(f"{name} is not known here")
    return NAMES[name]


def access_for(items: Sequence[str] = ALLOWED, own: Sequence[str] = ()) -> SourceAccess:
    return SourceAccess(lambda: read_rules(items), own=lambda: own, make_resolver=lambda: Resolver(lookup))


@asynccontextmanager
async def opened_web() -> AsyncIterator[Web]:
    web = Web()
    async with trio.open_nursery() as nursery:
        await web.open(nursery)
        yield web
        nursery.cancel_scope.cancel()


async def open_isolated(web: Web, uris: Sequence[str]) -> tuple[list[int | str] | None, SourceForwarder]:
    """What a worker got of each; None where the system permits no namespaces, and it opened nothing."""
    forwarder = SourceForwarder(access_for(), RateLimitedLog(get_logger("capture")))
    ports = ports_for(read_capture_uri(web.url("film.m3u8")))
    job = {"channel": forwarder.worker_end.fileno(), "ports": ports, "uris": uris}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(forwarder.run)
        with trio.fail_after(120):
            done = await trio.run_process(
                [sys.executable, "-P", "-m", "tests.support.capture.isolated_opener"],
                stdin=json.dumps(job).encode() + b"\n",
                capture_stdout=True,
                pass_fds=[forwarder.worker_end.fileno()],
                env={**os.environ, "PYTHONPATH": ROOT},
            )
        nursery.cancel_scope.cancel()
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return (None if lines == [None] else lines), forwarder


async def test_allowed_sources_are_reached_by_name_and_address_and_through_redirects() -> None:
    async with opened_web() as web:
        web.pages["/moved.m3u8"] = b"to " + web.url("film.m3u8", GOOD).encode()
        web.pages["/elsewhere.m3u8"] = playlist(web.url("film.ts", "both.example"))
        uris = [web.url("film.m3u8"), web.url("film.m3u8", GOOD), web.url("moved.m3u8"), web.url("elsewhere.m3u8")]
        got, forwarder = await open_isolated(web, uris)
    assert got is None or (len(set(got)) == 1 and isinstance(got[0], int) and got[0] > 1000), got
    assert not forwarder.is_denied
    assert not web.lured


def lures(web: Web) -> dict[str, bytes]:
    """What a source at an allowed host may answer in order to have the server go elsewhere."""
    named, literal = web.url("film.m3u8", "evil.example"), web.url("film.m3u8", EVIL)
    mapped = web.url("film.m3u8", f"[::ffff:{EVIL}]")
    redirects = [
        named,
        literal,
        mapped,
        f"rtsp://{EVIL}:{web.port}/x",
        f"tcp://{EVIL}:{web.port}",
        "file:///etc/passwd",
    ]
    segments = [
        named,
        literal,
        web.url("film.ts", "evil.example"),
        f"tcp://{EVIL}:{web.port}",
        f"udp://{EVIL}:{web.port}",
    ]
    keys = [f'#EXT-X-KEY:METHOD=AES-128,URI="{where}"\nfilm.ts' for where in (named, "file:///etc/passwd")]
    return {
        **{f"/redirect{number}.m3u8": b"to " + each.encode() for number, each in enumerate(redirects)},
        **{f"/segment{number}.m3u8": playlist(each) for number, each in enumerate(segments)},
        **{f"/key{number}.m3u8": b"#EXTM3U\n" + playlist(each)[8:] for number, each in enumerate(keys)},
    }


async def test_hostile_names_and_answers_open_no_file_and_reach_nobody_else(tmp_path: Path) -> None:
    canary = tmp_path / "canary.ts"
    canary.write_bytes(film())
    async with opened_web() as web:
        web.pages |= lures(web)
        web.pages["/file.m3u8"] = playlist(f"file://{canary}")
        web.pages["/concat.m3u8"] = playlist(f"concat:{canary}|{canary}")
        web.pages["/plain.m3u8"] = playlist(str(canary))
        files = [
            f"file:{canary}",
            f"file://{canary}",
            str(canary),
            f"concat:{canary}",
            f"subfile,,start,0,end,0,,:{canary}",
        ]
        names = [name for name in (*MALFORMED, *NO_SOURCE, *OUT_OF_REACH) if GOOD not in name and "\0" not in name]
        lured = [web.url(path[1:]) for path in web.pages if path not in {"/film.ts", "/film.m3u8"}]
        uris = [*names, *files, *lured, web.url("film.m3u8", "evil.example"), web.url("film.m3u8", EVIL)]
        uris += [f"rtsp://good.example:{web.port}/{kind}" for kind in ("named", "literal")]
        uris += [f"{scheme}://{EVIL}:{web.port}/x" for scheme in ("rtsp", "rtsps", "rtmp", "rtmps", "tcp", "tls")]
        got, forwarder = await open_isolated(web, uris)
        assert not web.lured
    if got is not None:
        through = {uri: result for uri, result in zip(uris, got, strict=True) if not isinstance(result, str)}
        assert not through
        assert forwarder.is_denied
        assert len(uris) > 100


async def test_a_connection_is_made_to_an_address_that_was_checked_only() -> None:
    async with opened_web() as web:
        access = access_for()
        resolver = Resolver(lookup)
        for host in ("good.example", "both.example", GOOD):
            (await access.connect(host, web.port, resolver)).socket.close()
        for host in ("evil.example", EVIL):
            with pytest.raises(SourceDenied):
                await access.connect(host, web.port, resolver)
        with pytest.raises(OSError, match="not known"):
            await access.connect("unknown.example", web.port, resolver)
        assert not web.lured


async def test_the_servers_own_addresses_are_not_allowed_by_a_network_or_a_name() -> None:
    access = access_for(["*", "192.0.2.0/24"], own=["192.0.2.7"])
    assert access.allowed("a.example", ["192.0.2.7", "192.0.2.8"]) == ["192.0.2.8"]
    with pytest.raises(SourceDenied, match=r"192\.0\.2\.7.*capture\.allow"):
        access.check_host("192.0.2.7")


async def test_a_worker_that_hands_over_nothing_is_served_nothing() -> None:
    forwarder = SourceForwarder(access_for(), RateLimitedLog(get_logger("capture")))
    forwarder.close_worker_end()
    with trio.fail_after(10):
        await forwarder.run()


def question(name: str) -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return b"\0\x01\x01\0\0\x01\0\0\0\0\0\0" + labels + b"\0\0\x01\0\x01"


async def test_a_worker_looks_up_a_few_names_only(nursery: trio.Nursery) -> None:
    """A source may name hosts without end. Here its worker is not isolated: the socket is an ordinary one."""
    looked_up: list[str] = []

    def lookup_and_note(name: str) -> tuple[str, ...]:
        looked_up.append(name)
        return (GOOD,)

    access = SourceAccess(lambda: read_rules(["*", GOOD]), own=tuple, make_resolver=lambda: Resolver(lookup_and_note))
    forwarder = SourceForwarder(access, RateLimitedLog(get_logger("capture")))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.bind((GOOD, 0))
        socket.send_fds(forwarder.worker_end, [b"1"], [asked.fileno()])
        nursery.start_soon(forwarder.run)
        with trio.fail_after(60), trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            await asking.connect(asked.getsockname())
            for number in range(MAX_NAMES + 8):
                await asking.send(question(f"host{number}.example"))
                answer = await asking.recv(512)
                assert (answer[3] & 0x0F == 0) is (number < MAX_NAMES), number
    assert len(looked_up) == MAX_NAMES
    nursery.cancel_scope.cancel()

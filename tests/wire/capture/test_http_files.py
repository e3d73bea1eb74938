"""What FFmpeg reads by HTTP: every server is checked, and segments come in all the forms that playlists know."""

import base64
import functools
import http.server
import io
import math
import os
import socket
import socketserver
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from actors.workers.programs.capture import CaptureProgram
from actors.workers.programs.capturing.http_files import (
    LONGEST_COOKIE,
    MOST_COOKIES,
    MOST_PASSWORDS,
    OPTIONS,
    FileUnavailable,
    HttpFiles,
    trust,
)
from tests.support.web.web_server import Certificate, make_certificate

KEY, VECTOR = bytes(range(16)), bytes(range(16, 32))
HEAD = "#EXTM3U\n#EXT-X-VERSION:4\n#EXT-X-TARGETDURATION:1\n"
END = "#EXT-X-ENDLIST\n"
PICTURES = 25


@functools.cache
def film(second: int = 0) -> bytes:
    """A second of grey in an MPEG transport stream."""
    written = io.BytesIO()
    with av.open(written, "w", format="mpegts") as container:
        video = container.add_stream("mpeg2video", rate=PICTURES)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for number in range(PICTURES):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts = second * PICTURES + number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return written.getvalue()


def encrypted(data: bytes) -> bytes:
    padder = padding.PKCS7(128).padder()
    cipher = Cipher(algorithms.AES128(KEY), modes.CBC(VECTOR)).encryptor()
    return cipher.update(padder.update(data) + padder.finalize()) + cipher.finalize()


class Pages(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A server of some pages: their content, a place that they have moved to, or a status. `password`: for all."""

    daemon_threads = True

    def __init__(self, own: Certificate | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Visit)
        self.pages: dict[str, bytes | str | int] = {}
        self.password = ""
        self.schemes: tuple[str, ...] = ('Basic realm="x"',)
        self.cookies: list[str] = []
        """Set by each answer."""
        self.told_cookies: list[str] = []
        """Of each request, as they came."""
        self.stopped = threading.Event()
        self.scheme = "http" if own is None else "https"
        if own is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(own.cert, own.key)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def url(self, path: str) -> str:
        user = f"joe:{self.password}@" if self.password else ""
        return f"{self.scheme}://{user}localhost:{self.server_port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust us is what some want."""


class Visit(http.server.BaseHTTPRequestHandler):
    server: Pages

    def do_GET(self) -> None:
        self.server.told_cookies.append(self.headers.get("Cookie", ""))
        wanted = f"Basic {base64.b64encode(f'joe:{self.server.password}'.encode()).decode()}"
        page = self.server.pages.get(self.path, 404)
        if self.server.password and self.headers["Authorization"] != wanted:
            self._answer(401, b"", *(("WWW-Authenticate", scheme) for scheme in self.server.schemes))
        elif isinstance(page, str):
            self._answer(302, b"", ("Location", page))
        elif isinstance(page, bytes):
            first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
            self._answer(206 if "Range" in self.headers else 200, page[int(first) : int(last) + 1 if last else None])
        elif page:
            self._answer(page, b"")
        else:
            self.server.stopped.wait(60)

    def _answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        cookies = (("Set-Cookie", cookie) for cookie in self.server.cookies)
        for name, value in (("Content-Length", str(len(body))), *cookies, *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *said: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def web() -> Iterator[Pages]:
    yield from served(Pages())


def served(pages: Pages) -> Iterator[Pages]:
    with pages:
        thread = threading.Thread(target=pages.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield pages
        pages.stopped.set()
        pages.shutdown()
        thread.join()


def files_for(context: ssl.SSLContext | None = None, seconds: float = math.inf) -> HttpFiles:
    deadline = time.monotonic() + min(seconds, 60.0)
    return HttpFiles(context or trust(None, verify=True), lambda: deadline)


def seen(url: str, files: HttpFiles | None = None) -> int:
    """How many pictures come."""
    files = files or files_for()
    with av.open(url, options=OPTIONS, io_open=files.open) as container:
        files.is_lenient = True
        return sum(1 for packet in container.demux() if packet.size)


def test_a_segment_comes_from_a_server_that_is_trusted_or_not_at_all(web: Pages, tmp_path: Path) -> None:
    own = make_certificate(tmp_path)
    authority = tmp_path / "authority.pem"
    authority.write_text("".join(map(ssl.DER_cert_to_PEM_cert, own.trust.get_ca_certs(binary_form=True))))
    for secure in served(Pages(own)):
        secure.pages["/film.ts"] = web.pages["/first.ts"] = film()
        elsewhere = secure.url("/film.ts")
        web.pages["/moved.ts"] = elsewhere
        web.pages["/later.m3u8"] = f"{HEAD}#EXTINF:1,\nfirst.ts\n#EXTINF:1,\n{elsewhere}\n{END}".encode()
        web.pages["/moved.m3u8"] = f"{HEAD}#EXTINF:1,\nfirst.ts\n#EXTINF:1,\nmoved.ts\n{END}".encode()
        web.pages["/key.m3u8"] = (
            f'{HEAD}#EXT-X-KEY:METHOD=AES-128,URI="{secure.url("/key")}"\n#EXTINF:1,\nfirst.ts\n{END}'.encode()
        )
        for lure in ("/later.m3u8", "/moved.m3u8", "/key.m3u8"):
            with pytest.raises(FileUnavailable, match="certificate"):
                seen(web.url(lure))
        assert seen(web.url("/later.m3u8"), files_for(trust(str(authority), verify=True))) == 2 * PICTURES
        assert seen(web.url("/moved.m3u8"), files_for(trust(None, verify=False))) == 2 * PICTURES


def test_segments_may_be_encrypted_or_parts_of_a_file_and_may_be_missing(web: Pages) -> None:
    first, second = film(0), film(1)
    key = f'#EXT-X-KEY:METHOD=AES-128,URI="key",IV=0x{VECTOR.hex()}\n'
    parts = f"#EXT-X-BYTERANGE:{len(first)}@0\n#EXTINF:1,\nall.ts\n#EXT-X-BYTERANGE:{len(second)}\n#EXTINF:1,\nall.ts\n"
    web.pages |= {
        "/key": KEY,
        "/first.enc.ts": encrypted(first),
        "/second.enc.ts": encrypted(second),
        "/all.ts": first + second,
        "/first.ts": first,
        "/second.ts": second,
        "/encrypted.m3u8": f"{HEAD}{key}#EXTINF:1,\nfirst.enc.ts\n#EXTINF:1,\nsecond.enc.ts\n{END}".encode(),
        "/parts.m3u8": f"{HEAD}{parts}{END}".encode(),
        "/missing.m3u8": f"{HEAD}#EXTINF:1,\nfirst.ts\n#EXTINF:1,\nnone.ts\n#EXTINF:1,\nsecond.ts\n{END}".encode(),
    }
    assert [seen(web.url(f"/{name}.m3u8")) for name in ("encrypted", "parts", "missing")] == [2 * PICTURES] * 3


def test_names_may_have_spaces_and_letters_of_any_language(web: Pages) -> None:
    web.pages |= {
        "/%D1%84%D0%B8%D0%BB%D1%8C%D0%BC%201%25.ts?%D1%87=a+b": film(),
        "/film.m3u8": f"{HEAD}#EXTINF:1,\nфильм 1%25.ts?ч=a+b\n{END}".encode(),
    }
    assert seen(web.url("/film.m3u8")) == PICTURES


def test_a_playlist_that_is_no_utf_8_is_a_wrong_format(web: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    web.pages["/film.m3u8"] = HEAD.encode() + b"#EXTINF:1,\n\xea\xe0.ts\n" + END.encode()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    job = {"url": web.url("/film.m3u8"), "options": {"tls_verify": "1"}, "connect_timeout": 60, "read_timeout": 60}
    with ours, theirs, Path(os.devnull).open() as commands:
        monkeypatch.setattr(sys, "stdin", commands)
        capture = CaptureProgram(job | {"feed": os.dup(theirs.fileno()), "paced": False})
        assert capture.run() == "wrong-format"
        capture._feed.close()


def test_a_user_and_a_password_are_sent_to_a_server_that_asks(web: Pages) -> None:
    web.pages |= {"/film.ts": film(), "/film.m3u8": f"{HEAD}#EXTINF:1,\nfilm.ts\n{END}".encode()}
    web.password = "s3cret"
    assert seen(web.url("/film.m3u8")) == PICTURES
    with pytest.raises(FileUnavailable, match="unauthorized"):
        seen(web.url("/film.m3u8").replace("s3cret", "other"))


@pytest.mark.parametrize(
    ("given", "asked", "is_sent"),
    [
        ("https://joe:s3cret@cam/a/b.m3u8", "https://cam/c.ts", True),
        ("http://joe:s3cret@cam/a/b.m3u8", "http://cam/c.ts", True),
        ("http://joe:s3cret@cam/a/b.m3u8", "https://cam/c.ts", True),
        ("https://joe:s3cret@cam/a/b.m3u8", "http://cam/c.ts", False),
        ("https://joe:s3cret@cam/a/b.m3u8", "https://other/a/b.m3u8", False),
    ],
)
def test_a_password_goes_to_its_host_and_never_to_a_place_that_is_less_safe(
    given: str, asked: str, is_sent: bool
) -> None:
    files = files_for()
    files._without_user(given)
    assert files._passwords.find_user_password("", asked) == (("joe", "s3cret") if is_sent else (None, None))


def test_of_the_ways_that_a_server_offers_to_prove_a_user_a_known_one_is_taken(web: Pages) -> None:
    web.pages |= {"/film.ts": film(), "/film.m3u8": f"{HEAD}#EXTINF:1,\nfilm.ts\n{END}".encode()}
    web.password = "s3cret"
    web.schemes = ("Negotiate", 'Basic realm="x"', "Bearer")
    assert seen(web.url("/film.m3u8")) == PICTURES
    web.schemes = ("Bearer",)
    with pytest.raises(FileUnavailable, match="unauthorized"):
        seen(web.url("/film.m3u8"))


def test_the_latest_cookies_are_sent_back_as_far_as_there_are_not_many_and_none_is_long(web: Pages) -> None:
    web.pages["/x"] = b"x"
    files = files_for()
    for number in range(3):
        web.cookies = [f"c{number}-{each}=1; Path=/" for each in range(MOST_COOKIES // 2)]
        files.open(web.url("/x"), 0, {}).close()
    web.cookies = [f"long={'x' * LONGEST_COOKIE}", f"odd=1; {'y' * LONGEST_COOKIE}=1", "good=1"]
    files.open(web.url("/x"), 0, {}).close()
    files.open(web.url("/x"), 0, {}).close()
    told = [cookie.partition("=")[0] for cookie in web.told_cookies[-1].split("; ")]
    assert len(told) == MOST_COOKIES
    assert "good" in told
    assert not {"long", "odd", "c0-0", "c1-0"} & set(told)
    assert {"c1-1", "c2-0"} < set(told)


def test_passwords_of_very_many_segments_are_not_kept() -> None:
    files = files_for()
    for number in range(MOST_PASSWORDS):
        files._without_user(f"https://joe:s3cret@cam{number}/{number}.ts")
    assert sum(map(len, files._passwords.passwd.values())) == MOST_PASSWORDS
    last = f"https://cam{MOST_PASSWORDS - 1}/other.ts"
    assert files._passwords.find_user_password("", last) == ("joe", "s3cret")


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (404, "not-found"),
        (403, "unauthorized"),
        (500, "unreachable"),
        (0, "silent"),
        ("file:///etc/passwd", "wrong-format|unreachable"),
        ("ftp://localhost/x", "wrong-format|unreachable"),
    ],
)
def test_why_a_source_cannot_be_had(web: Pages, page: int | str, why: str) -> None:
    web.pages["/x.m3u8"] = page
    with pytest.raises(FileUnavailable, match=why):
        seen(web.url("/x.m3u8"), files_for(seconds=0.2 if page == 0 else 60))

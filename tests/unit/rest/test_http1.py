"""HTTP/1.1 of the REST listeners, byte by byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.rest.errors import RestError
from protocol.rest.http1 import MAX_HEAD, MAX_HEADERS, Http1, RequestHead

GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def read(data: bytes, scheme: str = "http") -> tuple[RequestHead, bytes, Http1]:
    """The one request in `data`, its body as far as it came, and the engine."""
    engine = Http1(scheme)
    engine.feed(data)
    request = engine.request()
    assert request is not None
    return request, body_of(engine), engine


def body_of(engine: Http1) -> bytes:
    body = b""
    while piece := engine.body():
        body += piece
    return body


def status_of(data: bytes, scheme: str = "http") -> int:
    with pytest.raises(RestError) as refused:
        read(data, scheme)
    return refused.value.status_hint


def target(text: str, method: str = "GET") -> bytes:
    return f"{method} {text} HTTP/1.1\r\nHost: other:1\r\n\r\n".encode()


# -- requests ------------------------------------------------------------------------------------------------------


def test_a_request_in_pieces_is_the_same_as_in_one() -> None:
    engine = Http1("http")
    data = POST + b"Content-Length: 3\r\nX-A: 1\r\n\r\nabc"
    requests: list[RequestHead] = []
    body = b""
    for number in range(len(data)):
        engine.feed(data[number : number + 1])
        if not requests:
            requests += filter(None, [engine.request()])
        else:
            body += engine.body() or b""
    assert body_of(engine) == b""
    assert engine.is_body_complete
    assert body == b"abc"
    assert requests[0] == read(data)[0]
    assert requests[0].headers == ((b"host", b"localhost"), (b"content-length", b"3"), (b"x-a", b"1"))


def test_requests_that_come_together_are_read_one_after_the_other() -> None:
    data = GET + POST + b"Content-Length: 2\r\n\r\n{}" + CHUNKED + b"1\r\na\r\n0\r\n\r\n" + b"\r\n" + GET
    engine = Http1("http")
    engine.feed(data)
    seen = []
    for _ in range(4):
        request = engine.request()
        assert request is not None
        seen.append((request.method, body_of(engine)))
        engine.start(200, [(b"content-length", b"0")], close=False)
        engine.end()
        assert engine.next_exchange()
    assert seen == [("GET", b""), ("POST", b"{}"), ("POST", b"a"), ("GET", b"")]
    assert engine.is_untouched
    assert engine.request() is None


@pytest.mark.parametrize(
    ("text", "path", "query", "host"),
    [
        ("/a%20b?c=d?e", "/a b", b"c=d?e", b"other:1"),
        ("/", "/", b"", b"other:1"),
        ("//x//", "//x//", b"", b"other:1"),
        ("/%c3%bf", "/\u00ff", b"", b"other:1"),
        ("http://localhost:8081/a?b", "/a", b"b", b"localhost:8081"),
        ("HTTP://[::1]:80", "/", b"", b"[::1]:80"),
        ("http://localhost?b", "/", b"b", b"localhost"),
    ],
)
def test_a_target_is_a_path_or_a_url_whose_host_counts(text: str, path: str, query: bytes, host: bytes) -> None:
    request, _, _ = read(target(text))
    assert (request.path, request.query) == (path, query)
    assert [value for name, value in request.headers if name == b"host"] == [host]


def test_a_star_is_a_target_of_options_alone() -> None:
    assert read(target("*", "OPTIONS"))[0].path == "*"
    assert status_of(target("*")) == 400


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("x", 400),
        ("localhost:80", 400),
        ("http://", 400),
        ("http:///x", 400),
        ("http://user@localhost/", 400),
        ("http://[::1].evil.example/", 400),
        ("/a#b", 400),
        ("http://localhost/#b", 400),
        ("https://localhost/", 421),
        ("ftp://localhost/", 421),
    ],
)
def test_any_other_target_is_refused(text: str, status: int) -> None:
    assert status_of(target(text)) == status


def test_methods_keep_their_case() -> None:
    assert read(target("/", "head"))[0].method == "head"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: y\r\n z\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n X: y\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\n", 505),
        (b"\x16\x03\x01", 400),
        (b" GET / HTTP/1.1\r\n", 400),
        (POST + b"Content-Length: x\r\n\r\n", 400),
        (POST + b"Content-Length: -1\r\n\r\n", 400),
        (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST /x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (CHUNKED + b"zz\r\n", 400),
        (CHUNKED + b"1\r\nab\r\n", 400),
        (CHUNKED + b"1\r\na\r\n0\r\n\n", 400),
        (CHUNKED + b"0\r\nX: y\r\n\r\n", 400),
        (CHUNKED + b"0\r\nX: y\n\r\n", 400),
        (b"GET /" + b"a" * MAX_HEAD, 431),
        (b"GET /" + b"a" * MAX_HEAD + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * (MAX_HEADERS + 1) + b"\r\n", 431),
    ],
)
def test_what_two_servers_might_read_differently_is_refused(data: bytes, status: int) -> None:
    assert status_of(data) == status


@pytest.mark.parametrize("text", ["/%ff", "/whip/a%c3?x", "http://localhost/%ed%a0%80"])
def test_a_path_that_is_not_utf_8_is_refused(text: str) -> None:
    with pytest.raises(RestError, match="its path is not UTF-8"):
        read(target(text))


def test_letters_that_were_typed_into_a_url_are_told() -> None:
    with pytest.raises(RestError, match="written as %XX"):
        read("GET /?name=na\u00efve HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def test_a_refusal_repeats_nothing_of_a_header() -> None:
    with pytest.raises(RestError) as refused:
        read(b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization : Basic c2VjcmV0\r\n\r\n")
    assert refused.value.message == "malformed request: illegal header line"


@pytest.mark.parametrize("split", range(1, 16))
def test_the_end_of_a_chunked_body_may_come_in_pieces(split: int) -> None:
    body = b"3;ext=1\r\nabc\r\n0\r\n\r\n"
    engine = Http1("http")
    engine.feed(CHUNKED + body[:split])
    engine.request()
    first = body_of(engine)
    engine.feed(body[split:] + GET)
    assert first + body_of(engine) == b"abc"
    assert engine.is_body_complete


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes_are_a_request_or_a_refusal(data: bytes, step: int) -> None:
    engine, status = Http1("http"), 200
    try:
        for start in range(0, len(data), step):
            engine.feed(data[start : start + step])
            if engine.request():
                return
    except RestError as refused:
        status = refused.status_hint
    assert status == 200 or 400 <= status < 600
    answer = engine.start(status, [(b"content-length", b"0")], close=True)
    assert answer.startswith(b"HTTP/1.1 %d " % status)


@given(st.binary(max_size=200), st.integers(1, 50))
def test_any_chunked_body_is_read_or_refused(data: bytes, step: int) -> None:
    engine = Http1("http")
    engine.feed(CHUNKED)
    engine.request()
    try:
        for start in range(0, len(data), step):
            engine.feed(data[start : start + step])
            body_of(engine)
    except RestError:
        assert not engine.is_body_complete


# -- answers -------------------------------------------------------------------------------------------------------


def test_an_answer_without_a_length_is_chunked() -> None:
    _, _, engine = read(GET)
    assert b"transfer-encoding: chunked" in engine.start(200, [], close=False).lower()
    assert engine.piece(b"abc") == b"3\r\nabc\r\n"
    assert engine.piece(b"") == b""
    assert engine.end() == b"0\r\n\r\n"
    assert engine.next_exchange()


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_an_answer_that_may_have_no_body_gets_none(method: str, status: int) -> None:
    _, _, engine = read(GET.replace(b"GET", method.encode()))
    engine.start(status, [(b"content-length", b"3")] if status == 200 else [], close=False)
    assert engine.piece(b"abc") == b""
    assert engine.end() == b""
    assert engine.next_exchange()


@pytest.mark.parametrize("text", ["*", "x", "/a#b"])
def test_a_refused_head_request_gets_no_body(text: str) -> None:
    engine = Http1("http")
    engine.feed(target(text, "HEAD"))
    with pytest.raises(RestError):
        engine.request()
    assert engine.start(400, [(b"content-length", b"3")], close=True)
    assert engine.piece(b"abc") == b""
    assert engine.end() == b""


@pytest.mark.parametrize(
    ("data", "close"),
    [
        (GET, True),
        (GET.replace(b"1.1", b"1.0"), False),
        (GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), False),
        (POST + b"Content-Length: 3\r\n\r\nab", False),
    ],
)
def test_the_last_answer_says_so(data: bytes, close: bool) -> None:
    _, _, engine = read(data)
    headers = [(b"content-length", b"0"), (b"Connection", b"keep-alive")] if close else [(b"content-length", b"0")]
    answer = engine.start(200, headers, close=close)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.lower().count(b"connection: close") == 1
    engine.end()
    assert not engine.next_exchange()


def test_a_client_that_asks_first_is_told_to_go_on() -> None:
    _, _, engine = read(POST + b"Content-Length: 1\r\nExpect: 100-continue\r\n\r\n")
    assert engine.awaits_continue
    assert engine.go_on() == b"HTTP/1.1 100 Continue\r\n\r\n"
    engine.feed(b"x")
    assert body_of(engine) == b"x"
    assert not read(GET)[2].awaits_continue

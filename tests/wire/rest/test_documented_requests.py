"""The requests that the documentation shows as commands of curl are understood by a running server."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from attrs import frozen

from protocol.sip.accounts.servers import read_servers
from tests.support.servers.full_server import full_server

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
REST = {"127.0.0.1:8081", "localhost:8081"}
MISUNDERSTOOD = {
    httpx.codes.BAD_REQUEST, httpx.codes.METHOD_NOT_ALLOWED, httpx.codes.UNSUPPORTED_MEDIA_TYPE,
    httpx.codes.NOT_IMPLEMENTED, httpx.codes.INTERNAL_SERVER_ERROR,
}  # fmt: skip
NO_SUCH_PATH = "unknown path"
NOT_HERE = {"/rest-api/events": "it does not end", "/rest-api/rtsp/startup": "the camera is not there"}


@frozen(kw_only=True)
class Shown:
    """One request, and the page that shows it."""

    page: str
    method: str
    target: str
    headers: dict[str, str]
    body: str | None


def shown() -> Iterator[Shown]:
    """All requests to REST, of blocks and of the text."""
    for page in PAGES:
        text = page.read_text().replace("\\\n", " ")
        for command in re.findall(r"^ *curl (.*)$", text, re.MULTILINE) + re.findall(r"`curl ([^`]*)`", text):
            yield request_of(page.name, shlex.split(command.partition(" | ")[0]))


def request_of(page: str, words: list[str]) -> Shown:
    method, body, target, headers = None, None, "", {}
    arguments = iter(words)
    for word in arguments:
        match word:
            case "-X":
                method = next(arguments)
            case "-H":
                name, _, value = next(arguments).partition(": ")
                headers[name] = value
            case "-d":
                body = re.sub(r"(?<=://)[\w.]+\.example\b", "127.0.0.1", next(arguments))  # which has an address
            case "-s" | "-i" | "-N":
                pass
            case _:
                url = urlsplit(word)
                assert url.netloc in REST, word
                target = f"{url.path}?{url.query}" if url.query else url.path
    return Shown(
        page=page, method=method or ("GET" if body is None else "POST"), target=target, headers=headers, body=body
    )


async def test_they_are_understood(tmp_path: Path) -> None:
    requests = [request for request in shown() if request.target.partition("?")[0] not in NOT_HERE]
    assert len(requests) > 25
    misunderstood = []
    sip = {"sip_servers": read_servers("192.0.2.10"), "port_from": 0, "sip_address": "127.0.0.1"}
    async with full_server(tmp_path, **sip) as server:
        for request in requests:
            answer = await server.rest.request(
                request.method, request.target, headers=request.headers, content=request.body
            )
            if answer.status_code in MISUNDERSTOOD or NO_SUCH_PATH in answer.text:
                misunderstood.append((request.page, request.target, answer.text[:200]))
    assert misunderstood == []

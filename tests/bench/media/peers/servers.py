"""The two servers as the bench runs them: started for one measurement, on one address, all else as delivered."""

import contextlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import httpx

from config.version import VERSION
from tests.bench.media.peers.janus import JanusProcess, Package
from tests.support.servers.server_process import ROOT, ServerProcess, running_server

STREAM = "4711"
"""Name of the stream and, at Janus, number of the room."""


MAX_PARTICIPANTS = 1100
"""Janus counts viewers that attend a room among its publishers, who may never publish."""


class Server(Protocol):
    """A running server."""

    @property
    def pid(self) -> int: ...

    @property
    def ws_url(self) -> str: ...

    @property
    def version(self) -> str: ...

    def prepare(self, stream: str) -> None:
        """What has to be there before the stream's publisher comes."""

    def kick(self) -> int:
        """End all viewers by one call; its start in CLOCK_MONOTONIC ns."""

    def remark(self) -> str:
        """What the report should say of this run."""


class Wcsd:
    """The server of this checkout. Its viewers are ended by `/rest-api/stream/terminate`; the publisher stays."""

    def __init__(self, process: ServerProcess, client: httpx.Client, *, tls: bool) -> None:
        self.pid = process.pid
        self.ws_url = process.wss_url() if tls else process.ws_url()
        self.version = f"wcsd {VERSION}"
        self._process = process
        self._client = client

    def prepare(self, stream: str) -> None:
        pass

    def kick(self) -> int:
        url = self._process.http_url("/rest-api/stream/terminate")
        self._client.get(self._process.http_url("/healthz"))  # opens the connection
        called_at = time.monotonic_ns()
        self._client.post(url, json={"name": STREAM, "published": False}).raise_for_status()
        return called_at

    def remark(self) -> str:
        text = self._client.get(self._process.http_url("/?action=stat")).text
        return ", ".join(line for line in text.splitlines() if "sender" in line or "dropped" in line)


class Janus:
    """Janus with its VideoRoom. Its viewers are ended by `destroy` of the room, which ends the publisher too: there is
    no call that ends viewers and leaves the publisher."""

    def __init__(self, process: JanusProcess, client: httpx.Client) -> None:
        self.pid = process.pid
        self.ws_url = process.ws_url
        self.version = f"Janus {process.version}"
        self._client = client
        self._session = f"{process.http_url}/{self._request(process.http_url, janus='create')['data']['id']}"
        attached = self._request(self._session, janus="attach", plugin="janus.plugin.videoroom")
        self._handle = f"{self._session}/{attached['data']['id']}"

    def prepare(self, stream: str) -> None:
        room = {"request": "create", "room": int(stream), "videocodec": "vp8"}
        self._tell_room(room | {"publishers": MAX_PARTICIPANTS, "notify_joining": False})

    def kick(self) -> int:
        called_at = time.monotonic_ns()
        self._tell_room({"request": "destroy", "room": int(STREAM)})
        return called_at

    def remark(self) -> str:
        return ""

    def _tell_room(self, body: Mapping[str, object]) -> None:
        self._request(self._handle, janus="message", body=body)

    def _request(self, url: str, **fields: object) -> Any:
        answer = self._client.post(url, json={**fields, "transaction": "bench"}).raise_for_status().json()
        if answer["janus"] != "success" or "error" in answer.get("plugindata", {}).get("data", {}):
            raise RuntimeError(f"Janus refused: {answer}")
        return answer


@contextlib.contextmanager
def running_wcsd(
    folder: Path, host: str, settings: Mapping[str, object], checkout: Path | None = None, *, tls: bool = False
) -> Iterator[Wcsd]:
    """The server of this checkout, or of another one of the same repository. `tls`: its pages come by wss."""
    unlimited = {"overload.max_loop_lag": 0}  # what a core carries is to be found out
    unlimited["keep_alive.server_interval"] = 86_400_000  # a ping would hide when the message before it came
    with (
        running_server(folder, {"ip": host, **unlimited, **settings}, root=checkout or ROOT) as process,
        _client() as client,
    ):
        yield Wcsd(process, client, tls=tls)


@contextlib.contextmanager
def running_janus(folder: Path, host: str, package: Package, event_loops: int) -> Iterator[Janus]:
    with JanusProcess(folder, host, package, event_loops) as process, _client() as client:
        yield Janus(process, client)


def _client() -> httpx.Client:
    return httpx.Client(trust_env=False, timeout=30)

"""One hook sent on trial, outside every queue, to see how far it gets: name, connection, TLS, answer.

It is marked, `"test": true` in its body and `X-WCS-Test: true` among its headers, and concerns no session.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

import httpx
import trio
from attrs import define, field, frozen

from actors.hooks.call_log import HookCall, Progress
from actors.hooks.connections.connection import TlsFailed, connect, port_of
from actors.hooks.connections.tls import client_context
from actors.hooks.hook_request import HookRequests
from actors.net.resolver import Resolver
from config.apps import App
from config.settings import Settings
from protocol.hooks import HookMethod, RestClientConfig, answer_fault, read_answer

LONGEST = 20.0
"""Seconds for all of it, if `rest_request_timeout` is longer: somebody waits."""
SESSION_ID = "wcs-test"
"""In the place of a session's id."""
TEST_HEADER = "X-WCS-Test"


@frozen(kw_only=True)
class TrialStep:
    """One step that was successful; `milliseconds` it took."""

    name: str
    result: str
    milliseconds: int


@frozen(kw_only=True)
class TrialReport:
    """What came of a trial. `message`: what has failed; or why real hooks are not sent nevertheless, if so."""

    is_ok: bool
    message: str
    steps: tuple[TrialStep, ...] = ()


class TrialFailed(Exception):
    """A step failed; the text says which one, and why."""


@define(kw_only=True)
class HookTrial:
    """A trial of one method. `steps`: those that have been successful so far."""

    app: App
    method: HookMethod
    settings: Settings
    node_id: str
    steps: list[TrialStep] = field(init=False, factory=list)

    async def run(self) -> None:
        """Do it. Raises TrialFailed."""
        seconds = min(self.settings.rest_request_timeout, LONGEST)
        try:
            with trio.move_on_after(seconds) as patience:
                await self._run()
        except TlsFailed as error:
            raise TrialFailed(f"tls: {error}; see rest_ca_file") from None
        except httpx.HTTPError as error:
            raise TrialFailed(f"{self._next_step}: {str(error) or type(error).__name__}") from None
        except (OSError, httpx.InvalidURL) as error:
            raise TrialFailed(f"{self._next_step}: {error}") from None
        if patience.cancelled_caught:
            raise TrialFailed(f"{self._next_step}: nothing within {seconds:g} s")

    @property
    def _next_step(self) -> str:
        return ("name", "connection", "answer")[min(len(self.steps), 2)]

    async def _run(self) -> None:
        key = (self.settings.rest_hook_secret_key or "").encode() if self.settings.rest_hook_send_hash else None
        requests, call = HookRequests(key), self._call()
        url, headers = requests.target(call)
        resolver = Resolver()
        with self._timed("name") as told:
            told.append(", ".join(await resolver.resolve(url.host)))
        with self._timed("connection") as told:
            tls = client_context(self.settings.rest_ca_file, insecure=self.settings.rest_insecure_tls)
            connection = await connect(url, resolver, tls, self.settings.rest_hook_networks)
            told.append(f"port {port_of(url)}, {self._trust(url)}")
        try:
            with self._timed("answer") as told:
                now = trio.current_time()
                progress = Progress(hook_id=f"test-{secrets.token_hex(8)}", started=now, deadline=now)
                request = requests.build(call, progress, url, headers)
                request.headers[TEST_HEADER] = "true"
                response, _ = await connection.exchange(request, max_size=self.settings.rest_max_response_size)
                told.append(_judged(self.method, response))
        finally:
            connection.close()

    def _call(self) -> HookCall:
        body: dict[str, object] = {"nodeId": self.node_id, "appKey": self.app.key, "sessionId": SESSION_ID}
        if self.method is HookMethod.CONNECTION_STATUS_EVENT:
            body["status"] = "DISCONNECTED"
        config = RestClientConfig().for_method(self.method)
        return HookCall(
            app=self.app, method=self.method, session_id=SESSION_ID, body={**body, "test": True}, config=config
        )

    def _trust(self, url: httpx.URL) -> str:
        if url.scheme != "https":
            return "without TLS"
        return "TLS, whose certificate is NOT checked" if self.settings.rest_insecure_tls else "TLS, trusted"

    @contextmanager
    def _timed(self, name: str) -> Iterator[list[str]]:
        told: list[str] = []
        started = trio.current_time()
        yield told
        milliseconds = round((trio.current_time() - started) * 1000)
        self.steps.append(TrialStep(name=name, result="".join(told), milliseconds=milliseconds))


def _judged(method: HookMethod, response: httpx.Response) -> str:
    status = response.status_code
    answer = read_answer(status, response.content, reads=method is HookMethod.CONNECT)
    phrase = next((each.phrase for each in HTTPStatus if each == status), "")
    if status == HTTPStatus.OK:
        fault = answer_fault(method, answer)
        if fault is not None:
            raise TrialFailed(f"answer: 200, but {fault}")
        return f"{status} {phrase}"
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN) and method is HookMethod.CONNECT:
        return f"{status} {phrase}: the backend turns this client away"
    raise TrialFailed(f"answer: {status} {phrase}".rstrip())

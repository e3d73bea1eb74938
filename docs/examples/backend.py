"""A small backend for wcsd: who may connect, who may publish, and for how long. It needs only the standard library.

    python3 docs/examples/backend.py --port 8090 --minutes 10

    bin/wcs update app defaultApp http://localhost:8090/my_api
    bin/wcs add app-rest-method defaultApp StreamKeepAliveEvent

and in the server's settings, for the time limit:

    keep_alive_streaming_sessions_enabled=true
    streaming_sessions_keep_alive_app_keys=defaultApp

A page identifies its user in `custom`:

    Flashphoner.createSession({urlServer: url, custom: {token: "token-of-anna"}});
    Flashphoner.createSession({urlServer: url, custom: {login: "anna", password: "please change me"}});

Everything is kept in memory, so a restart forgets who is connected: a real backend has a database instead of
dictionaries, hashes instead of passwords, and tokens that expire.
"""

import argparse
import base64
import hmac
import json
import threading
import time
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PASSWORDS = {"anna": "please change me", "victor": "me too"}
TOKENS = {"token-of-anna": "anna", "token-of-victor": "victor"}
PUBLISHERS = {"anna"}

REST_CLIENT_CONFIG = {
    # Without FAIL, a 403 would only be logged.
    "publishStream": {"restOnError": "FAIL"},
    "StreamKeepAliveEvent": {"restOnError": "FAIL", "restExclude": "sdp"},
}
ENDED = {"UNPUBLISHED", "STOPPED", "FAILED"}
MAX_BODY = 1024 * 1024
REMEMBERED_ANSWERS = 1000

Body = dict[str, Any]
Answer = tuple[int, Body]


class Backend:
    """The state, and one method for each hook that matters; all others are allowed."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        """Seconds that one publication may last."""
        self.users: dict[str, str] = {}
        """Who is behind a session, by sessionId."""
        self.published_at: dict[str, float] = {}
        """When a publication was first seen, by mediaSessionId."""

    def answer(self, method: str, body: Body) -> Answer:
        """Status and body for one hook."""
        hook = {
            "connect": self.connect,
            "ConnectionStatusEvent": self.connection_changed,
            "publishStream": self.publish,
            "StreamStatusEvent": self.stream_changed,
            "StreamKeepAliveEvent": self.keep_alive,
        }.get(method, agree)
        return hook(body)

    def connect(self, body: Body) -> Answer:
        user = authenticate(body.get("custom"))
        if user is None:
            return 403, {"info": "Unknown token, or wrong login or password"}
        self.users[body["sessionId"]] = user
        # The policies of this session are part of the answer, and apply until it ends.
        return 200, {**body, "restClientConfig": REST_CLIENT_CONFIG}

    def connection_changed(self, body: Body) -> Answer:
        if body["status"] == "DISCONNECTED":
            self.users.pop(body["sessionId"], None)
        return agree(body)

    def publish(self, body: Body) -> Answer:
        user = self.users.get(body["sessionId"])
        if user not in PUBLISHERS:
            return 403, {"info": "You may watch, not publish"}
        return agree(body)

    def stream_changed(self, body: Body) -> Answer:
        if body["status"] in ENDED:
            self.published_at.pop(body["mediaSessionId"], None)
        elif body["published"]:
            self.published_at[body["mediaSessionId"]] = time.monotonic()
        return agree(body)

    def keep_alive(self, body: Body) -> Answer:
        if not body["published"]:
            return agree(body)
        began = self.published_at.setdefault(body["mediaSessionId"], time.monotonic())
        return (403, {}) if time.monotonic() - began > self.limit else agree(body)


def agree(body: Body) -> Answer:
    """200 with the body that came."""
    return 200, body


def authenticate(custom: object) -> str | None:
    """The user identified by a page's `custom`; None if there is none. A page can put any JSON there."""
    if not isinstance(custom, dict):
        return None
    for token, user in TOKENS.items():
        if same(custom.get("token"), token):
            return user
    login, password = custom.get("login"), custom.get("password")
    known = PASSWORDS.get(login) if isinstance(login, str) else None
    return login if known is not None and same(password, known) else None


def same(given: object, secret: str) -> bool:
    """Compare in constant time, so that the duration does not reveal how much was right."""
    return isinstance(given, str) and hmac.compare_digest(given.encode(errors="replace"), secret.encode())


class Server(ThreadingHTTPServer):
    """Answers hooks one after the other.

    `basic` is the application's user and password, if it has them; `key` is that of the server's signature,
    if it signs hooks (`rest_hook_secret_key`).
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int], backend: Backend, basic: str | None, key: str | None) -> None:
        super().__init__(address, Handler)
        self._authorization = basic and "Basic " + base64.b64encode(basic.encode()).decode()
        self._key = key
        self._backend = backend
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def refusal(self, authorization: str | None, content: bytes) -> int | None:
        """The status for a request that does not come from the server; None for one that does."""
        if self._key:
            signed = "WCS " + hmac.new(self._key.encode(), content, "md5").hexdigest()
            return None if same(authorization, signed) else 403
        return None if self._authorization is None or same(authorization, self._authorization) else 401

    def answer(self, hook_id: str, method: str, body: Body) -> Answer:
        """Answer a hook. One whose answer was lost comes again with the same id: repeat the answer."""
        with self._lock:
            if hook_id in self._answers:
                return self._answers[hook_id]
            answer = self._backend.answer(method, body)
            if hook_id:
                self._answers[hook_id] = answer
            if len(self._answers) > REMEMBERED_ANSWERS:
                self._answers.popitem(last=False)
            return answer


class Handler(BaseHTTPRequestHandler):
    """One connection; the server keeps it open for further hooks."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer's body waits 40 ms behind its headers
    server: Server

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        if length > MAX_BODY:
            self.close_connection = True
            self.reply(413, {})
            return
        content = self.rfile.read(length)
        refusal = self.server.refusal(self.headers.get("Authorization"), content)
        if refusal is not None:
            self.reply(refusal, {})
            return
        method = self.path.rpartition("/")[2]
        self.reply(*self.server.answer(self.headers.get("X-WCS-Hook-Id", ""), method, json.loads(content)))

    def reply(self, status: int, body: Body) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """One line per hook."""
        print(int(code), self.path, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="A sample backend for wcsd")
    parser.add_argument("--port", type=int, default=8090)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long one publication may last")
    parser.add_argument("--basic", metavar="USER:PASSWORD", help="what the application sends (wcs update app -u -p)")
    parser.add_argument("--key", help="what hooks are signed with (rest_hook_send_hash, rest_hook_secret_key)")
    options = parser.parse_args()
    backend = Backend(options.minutes * 60)
    with Server(("127.0.0.1", options.port), backend, options.basic, options.key) as server:
        print(f"serving http://127.0.0.1:{server.server_address[1]}/my_api", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()

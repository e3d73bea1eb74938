"""A chat for all connected pages: wcsd carries the texts, this backend decides about them. Only the standard library.

    python3 docs/examples/chat_backend.py

    bin/wcs update app defaultApp http://localhost:8091/hooks

Then open http://localhost:8091/ in two tabs. How a text travels:

    page A --sendData--> wcsd --OnDataEvent--> this program: who wrote it, and are the words fine?
    page A <--DataStatusEvent-- wcsd <--200, the text as it may be shown--
    all pages <--OnDataEvent-- wcsd <--data/broadcast-- this program
    a page that joins late <--OnDataEvent-- wcsd <--data/send: the last lines-- this program

Everything is kept in memory. It listens on this machine only, and believes every hook that it gets: for more, see
`backend.py` beside it, which checks where hooks come from, and who a user is.
"""

import argparse
import html
import json
import queue
import re
import threading
from collections import OrderedDict, deque
from functools import partial
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("chat.html")
SDK = "https://cdn.jsdelivr.net/npm/@flashphoner/websdk@2.0.276/flashphoner.js"

KEPT_LINES = 50
"""Lines that a page gets when it joins."""
LONGEST_NAME, LONGEST_TEXT = 40, 2000
UNWANTED = re.compile(r"\b(darn|heck)\b", re.IGNORECASE)
REMEMBERED = 1000
"""Texts whose answers are remembered: wcsd repeats a hook if the answer to it was lost."""
MAX_BODY = 1024 * 1024

REST_CLIENT_CONFIG = {
    # FAIL: a text that is refused here is refused. OVERWRITE: the page is told what was made of its text, and why.
    "OnDataEvent": {"restOnError": "FAIL", "restPolicy": "OVERWRITE", "restOverwrite": "payload,info"},
}

Body = dict[str, Any]
Answer = tuple[int, Body]


class Chat:
    """Who is there, what was said, and one method for each hook that matters; all others are allowed."""

    def __init__(self, outbox: "Outbox") -> None:
        self._outbox = outbox
        self._names: dict[str, str] = {}
        """Who is behind a session, by sessionId."""
        self._lines: deque[Body] = deque(maxlen=KEPT_LINES)
        self._count = 0
        self._answers: OrderedDict[tuple[str, str], Answer] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, method: str, body: Body) -> Answer:
        """Status and body for one hook."""
        hook = {
            "connect": self._connect,
            "ConnectionStatusEvent": self._connection_changed,
            "OnDataEvent": self._text,
        }.get(method)
        with self._lock:
            return hook(body) if hook is not None else (200, body)

    def _connect(self, body: Body) -> Answer:
        custom = body.get("custom")
        name = custom.get("name") if isinstance(custom, dict) else None
        if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_NAME or not name.isprintable():
            return 403, {"info": f"Say who you are, in {LONGEST_NAME} characters at most"}
        self._names[body["sessionId"]] = name.strip()
        return 200, {**body, "restClientConfig": REST_CLIENT_CONFIG}

    def _connection_changed(self, body: Body) -> Answer:
        session_id = body["sessionId"]
        if body["status"] == "ESTABLISHED":
            # Lines that are said meanwhile may come twice: the page knows them by their numbers.
            self._outbox.send(session_id, {"lines": list(self._lines)})
        elif body["status"] == "DISCONNECTED":
            self._names.pop(session_id, None)
        return 200, body

    def _text(self, body: Body) -> Answer:
        key = (body["sessionId"], body["operationId"])
        if key not in self._answers:
            self._answers[key] = self._say(body)
            if len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        return self._answers[key]

    def _say(self, body: Body) -> Answer:
        payload = body.get("payload")
        text = payload.get("text") if isinstance(payload, dict) else None
        if not isinstance(text, str) or not 0 < len(text.strip()) <= LONGEST_TEXT:
            return 403, {"info": f"A text has 1 to {LONGEST_TEXT} characters"}
        shown = UNWANTED.sub(lambda word: "*" * len(word[0]), text.strip())
        self._count += 1
        line = {"number": self._count, "from": self._names.get(body["sessionId"], "someone"), "text": shown}
        self._lines.append(line)
        self._outbox.broadcast(body["appKey"], {"lines": [line]})
        info = {} if shown == text.strip() else {"info": "Some words were hidden"}
        return 200, {**body, "payload": {"text": shown}, **info}


class Outbox:
    """Sends to pages by the REST API of wcsd: one request after the other, so that everything keeps its order."""

    def __init__(self, rest: str, token: str | None) -> None:
        """`rest` is HOST:PORT of the REST API."""
        self._rest = rest
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        self._waiting: queue.Queue[tuple[str, Body]] = queue.Queue()
        threading.Thread(target=self._run, daemon=True).start()

    def send(self, session_id: str, payload: Body) -> None:
        """Data for one page."""
        self._waiting.put(("data/send", {"sessionId": session_id, "payload": payload}))

    def broadcast(self, app_key: str, payload: Body) -> None:
        """Data for every page of an application."""
        self._waiting.put(("data/broadcast", {"appKey": app_key, "payload": payload}))

    def _run(self) -> None:
        while True:
            method, body = self._waiting.get()
            connection = HTTPConnection(self._rest, timeout=10)
            try:
                connection.request("POST", f"/rest-api/{method}", json.dumps(body), self._headers)
                print(connection.getresponse().status, method, flush=True)  # 404: the page has left
            except (OSError, HTTPException) as error:
                print(method, error, flush=True)
            finally:
                connection.close()


class Handler(BaseHTTPRequestHandler):
    """One connection, of wcsd or of a browser."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer's body waits 40 ms behind its headers

    def __init__(self, chat: Chat, files: dict[str, tuple[str, bytes]], *connection: Any) -> None:
        self._chat = chat
        self._files = files
        super().__init__(*connection)

    def do_POST(self) -> None:
        """A hook."""
        length = int(self.headers.get("Content-Length", 0))
        if length > MAX_BODY:
            self.close_connection = True
            self._reply(413, "application/json", b"{}")
            return
        method = self.path.rpartition("/")[2]
        status, body = self._chat.answer(method, json.loads(self.rfile.read(length)))
        self._reply(status, "application/json", json.dumps(body).encode())

    def do_GET(self) -> None:
        """The page, or the SDK."""
        content_type, content = self._files.get(self.path, ("", b""))
        self._reply(200 if content else 404, content_type or "text/plain", content)

    def _reply(self, status: int, content_type: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """One line per request."""
        print(int(code), self.path, flush=True)


def files(server: str, sdk: Path | None) -> dict[str, tuple[str, bytes]]:
    """What browsers may load, by path: the page, and the SDK if it is served from here."""
    page = PAGE.read_text()
    served = {}
    if sdk is not None:
        page = re.sub(r'\s+integrity="[^"]+"', "", page.replace(SDK, "/flashphoner.js"))  # it may be another version
        served["/flashphoner.js"] = ("text/javascript", sdk.read_bytes())
    page = page.replace("ws://localhost:8080", html.escape(server))
    return served | {"/": ("text/html; charset=utf-8", page.encode())}


def main() -> None:
    parser = argparse.ArgumentParser(description="A chat for all connected pages")
    parser.add_argument("--port", type=int, default=8091, help="of the hooks and of the page")
    parser.add_argument("--rest", default="127.0.0.1:8081", help="HOST:PORT of the REST API of wcsd")
    parser.add_argument("--token", help="to log in there, if it asks for that (wcs add token)")
    parser.add_argument("--server", default="ws://localhost:8080", help="where pages find wcsd")
    parser.add_argument("--sdk", type=Path, help="flashphoner.js of the WebSDK; without it, pages load it from the web")
    options = parser.parse_args()
    chat = Chat(Outbox(options.rest, options.token))
    handler = partial(Handler, chat, files(options.server, options.sdk))
    with ThreadingHTTPServer(("127.0.0.1", options.port), handler) as server:
        server.daemon_threads = True
        print(f"serving http://localhost:{server.server_address[1]}/", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()

"""A backend that agrees to everything, in a process of its own that may be killed at any time.

    python -m tests.bench.hooks.outage.backend PORT LEDGER

It prints its port (0: a free one) once it listens. Each hook becomes a line of the ledger before it is answered, so
that what was answered is there, also after a kill; what was not answered may be there as well.
"""

import contextlib
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Backend(ThreadingHTTPServer):
    """Serves until it is killed."""

    request_queue_size = 256
    daemon_threads = True

    def __init__(self, port: int, ledger: Path) -> None:
        super().__init__(("127.0.0.1", port), Hook)
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def note(self, hook_id: str, method: str, body: object) -> None:
        """One write, which no other one comes between."""
        line = json.dumps({"id": hook_id, "method": method, "body": body})
        os.write(self._ledger, line.encode() + b"\n")


class Hook(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Backend)
        self.server.note(self.headers["X-WCS-Hook-Id"], self.path.rpartition("/")[2], json.loads(content))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # the server was killed
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """The ledger is enough."""


def main(port: int, ledger: Path) -> None:
    with Backend(port, ledger) as backend:
        print(backend.server_address[1], flush=True)
        backend.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))

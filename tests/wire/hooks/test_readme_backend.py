"""The backend that the README shows, run as it stands there, before a real server."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import trio

from tests.support.servers.server_process import ROOT, running_server
from tests.support.session.wcs_client import PATIENCE, wcs_client

README = (ROOT / "README.md").read_text()
ADDRESS = "http://127.0.0.1:9000"
LAST_LINE = 'http.server.ThreadingHTTPServer(("127.0.0.1", 9000), Backend).serve_forever()\n'
ON_ANY_PORT = """
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
print(server.server_port, flush=True)
server.serve_forever()
"""


@contextmanager
def backend_of_the_readme() -> Iterator[tuple[str, IO[str]]]:
    """Its address, and what it prints."""
    (program,) = re.findall(r"^cat > build/tour/backend\.py <<'END'\n(.*?)^END$", README, re.MULTILINE | re.DOTALL)
    assert program.endswith(LAST_LINE)
    command = [sys.executable, "-c", program.removesuffix(LAST_LINE) + ON_ANY_PORT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}", process.stdout
        finally:
            process.terminate()


async def test_it_prints_what_it_gets_and_refuses_names_that_begin_with_secret(tmp_path: Path) -> None:
    point_there, go_back = re.findall(r"^bin/wcs (update app defaultApp \S+)$", README, re.MULTILINE)
    with backend_of_the_readme() as (address, output), running_server(tmp_path) as server:
        server.operate(*point_there.replace(ADDRESS, address).split())
        async with wcs_client(server.ws_url()) as client:
            refused = await client.request("publishStream", "secret1", "v=0")
            failed = await client.receive("notifyStreamStatusEvent", mediaSessionId=refused, status="FAILED")
            assert failed["info"] == "Restricted access"
            await client.publish("room1")
        with trio.fail_after(PATIENCE):
            said = [await trio.to_thread.run_sync(output.readline, abandon_on_cancel=True) for _ in range(5)]
        assert [line.split()[0] for line in said] == [
            *("connect", "ConnectionStatusEvent", "publishStream", "StreamStatusEvent", "publishStream"),
        ]
        server.operate(*go_back.split())
        async with wcs_client(server.ws_url()) as client:
            await client.publish("secret1")

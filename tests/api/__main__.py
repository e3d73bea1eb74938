"""Tries a running server by what its OpenAPI document says: what is valid is accepted, what is not is refused by an
error that names it, and every answer is one that the document describes.

    bin/test api              60 examples of each operation, always the same
    bin/test api 600          for ten minutes, with another seed each time
    bin/test api 600 --seed 7

The server is a process with fifty streams that come back when they are stopped. A failure is printed with a curl
command. The exit code is 1 if there was one, or if the log of the server tells of a defect.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import trio

from tests.api.world import SESSIONS, STREAMS, lasting_world
from tests.support.servers.server_process import ROOT, ServerProcess, running_server
from tests.support.web.openapi import PATH

SCHEMATHESIS = ROOT / ".venv-api/bin/schemathesis"
CONFIG = Path(__file__).with_name("schemathesis.toml")
REPORTS = ROOT / "build/api"
EXAMPLES = 60
MOST_SECONDS = 3600.0
"""How long the fixed examples may take, which is some minutes; only to end what hangs."""
SETTINGS = {
    "ip": "127.0.0.1",
    "ice_timeout": 3600,
    "play_wait_timeout": 3_600_000,
    "rest.max_failed_requests": 100_000,
    "sip.servers": "127.0.0.1",
    "sip.address": "127.0.0.1",
    "port_from": 0,
}
"""Streams without media stay. There are no calls, but there could be."""
FILLING = 300.0
"""Seconds; likewise."""


def main(arguments: Sequence[str]) -> int:
    """Try the server. The exit code."""
    options = _parser().parse_args(arguments)
    seed = options.seed if options.seed is not None else random.randrange(2**32)
    REPORTS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder), SETTINGS) as server:
        return trio.run(_try, server, options.seconds, seed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.api", description="Try the REST API by its OpenAPI document.")
    parser.add_argument("seconds", type=int, nargs="?", help="default: a fixed number of examples")
    parser.add_argument("--seed", type=int, help="with seconds; default: another one each time")
    return parser


async def _try(server: ServerProcess, seconds: int | None, seed: int) -> int:
    limit = MOST_SECONDS if seconds is None else seconds + MOST_SECONDS
    command = [str(SCHEMATHESIS), f"--config-file={CONFIG}", "--no-color", *_run(server, seconds, seed)]
    async with lasting_world(server.ws_url(), server.http_url()):
        await _until_full(server)
        with trio.fail_after(limit):
            ended = await trio.run_process(command, check=False, cwd=REPORTS, stdout=None, stderr=None)
        await _until_full(server)  # it was there all the time
    return ended.returncode


def _run(server: ServerProcess, seconds: int | None, seed: int) -> list[str]:
    """The command of schemathesis."""
    run = ["run", server.http_url(PATH)]
    if seconds is None:
        return [*run, f"--max-examples={EXAMPLES}", "--generation-deterministic"]
    return [*run, f"--max-time={seconds}", f"--seed={seed}", "--generation-database=none"]


async def _until_full(server: ServerProcess) -> None:
    """Wait until every stream of the world is there."""
    with trio.fail_after(FILLING):
        while len(await trio.to_thread.run_sync(server.streams)) < SESSIONS * STREAMS:  # noqa: ASYNC110 - no event tells
            await trio.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

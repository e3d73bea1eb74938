"""The other nodes of this machine, each of which has a Unix socket in its state folder where it tells how it does.

{"look": "metrics"}  ─►  {"ok": ...}        one JSON object per line, as on the operator's socket beside it
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import trio

from actors.operator.server import serve_lines
from actors.runtime.timeouts import fail_after
from actors.storage.failing_nodes import FailingNodes
from actors.storage.state_folder import StateFolder
from actors.web.api.console.tables import SNAPSHOT_AGE
from actors.web.api.server.looks import Looks, answer_look
from actors.web.api.shared_snapshots import SharedSnapshots
from protocol.cluster.redis_url import RedisUrl
from protocol.operator.callers import Operator
from protocol.operator.grammar import CommandError

SOCKET: Final = "looks.sock"
TIMEOUT: Final = 2.0
"""Seconds that another node may take; it is left out then."""
MAX_ANSWER: Final = 64 << 20


class HostNodes:
    """See above. `folder`: the state folder of this node, `node-I`, which lies beside those of the others."""

    def __init__(self, folder: Path, own: int) -> None:
        self.own = own
        self._folder = folder

    def failing(self) -> tuple[int, ...]:
        """Those that end again and again, by their numbers."""
        return FailingNodes(self._folder.parent).known()

    def are_all(self, redis: RedisUrl | None) -> bool:
        """Whether the cluster with this Redis has no other nodes: it is the one that the parent runs for them."""
        return redis is not None and redis.path == str(StateFolder(self._folder.parent).redis_path)

    async def serve(self, looks: Looks) -> None:
        """Answer the others, until cancelled. `looks`: those of this node alone."""

        made: SharedSnapshots[bytes] = SharedSnapshots(SNAPSHOT_AGE)

        async def answer(line: bytes, _: Operator) -> Iterable[bytes]:
            async def make() -> bytes:
                request = json.loads(line)
                return json.dumps({"ok": await answer_look(looks, request["look"], request)}).encode() + b"\n"

            try:
                return (await made.get(line, make),)
            except (ValueError, KeyError, TypeError, RecursionError):
                raise CommandError("not a look") from None

        await serve_lines(self._folder / SOCKET, answer)

    async def ask(self, look: str, **arguments: Any) -> Mapping[int, Any]:
        """What the others say, by their numbers; those that do not answer in time are missing."""
        answers: dict[int, Any] = {}

        async def ask_one(node: int, path: Path) -> None:
            try:
                with fail_after(TIMEOUT):
                    answer = json.loads(await _exchange(path, {"look": look, **arguments}))
                    if answer["ok"] is not False:  # it refuses: too many ask
                        answers[node] = answer["ok"]
            except (OSError, trio.BrokenResourceError, trio.TooSlowError, ValueError, KeyError, TypeError):
                return

        async with trio.open_nursery() as nursery:
            for node, path in self._others():
                nursery.start_soon(ask_one, node, path)
        return dict(sorted(answers.items()))

    def _others(self) -> Iterable[tuple[int, Path]]:
        for path in self._folder.parent.glob(f"node-*/{SOCKET}"):
            number = path.parent.name.removeprefix("node-")
            if path.parent != self._folder and number.isdecimal():
                yield int(number), path


async def _exchange(path: Path, request: Mapping[str, Any]) -> bytes:
    answer = bytearray()
    async with await trio.open_unix_socket(path) as stream:
        await stream.send_all(json.dumps(request).encode() + b"\n")
        while not answer.endswith(b"\n") and len(answer) <= MAX_ANSWER:
            chunk = await stream.receive_some()
            if not chunk:
                break
            answer += chunk
    return bytes(answer)

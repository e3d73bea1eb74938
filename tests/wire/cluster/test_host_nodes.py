"""What the nodes of one machine ask each other."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import trio

from actors.operator.server import serve_lines
from actors.server import host_nodes
from actors.server.host_nodes import HostNodes
from protocol.cluster.redis_url import parse_redis_url
from protocol.operator.callers import Operator


@pytest.mark.parametrize(
    ("redis", "are_all"),
    [(None, False), ("unix:///s/redis.sock", True), ("unix:///s/node-0/redis.sock", False), ("redis://s", False)],
)
def test_nodes_with_a_redis_of_their_own_are_all_there_are(redis: str | None, are_all: bool) -> None:
    url = None if redis is None else parse_redis_url(redis)
    assert HostNodes(Path("/s/node-0"), 0).are_all(url) is are_all


async def test_a_node_that_refuses_to_tell_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_nodes, "TIMEOUT", 60.0)
    answers = {
        "node-1": b'{"ok": false, "error": "failed", "message": "too many connections; try again later"}\n',
        "node-2": b'{"ok": {}}\n',
        "node-3": b"[]\n",
    }
    async with trio.open_nursery() as nursery:
        for node, text in answers.items():

            async def answer(line: bytes, operator: Operator, text: bytes = text) -> Iterable[bytes]:
                return (text,)

            (tmp_path / node).mkdir()
            await nursery.start(serve_lines, tmp_path / node / "looks.sock", answer)
        assert await HostNodes(tmp_path / "node-0", 0).ask("statistics") == {2: {}}
        nursery.cancel_scope.cancel()

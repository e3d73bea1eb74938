"""What REST says while a node is silent: what is known, and who has not answered."""

from pathlib import Path

import httpx
import pytest
from attrs import evolve

from actors.cluster.registry.redis_registry import RedisRegistry
from config.settings import PartialAnswer
from tests.support.cluster import cluster_times
from tests.support.cluster.parted_nodes import Parted, parted
from tests.support.session.wcs_client import PATIENCE

quick_leases = cluster_times.quick_leases
ANSWER_TIMEOUT = 1.5
"""Nobody is waited for who is there."""
PLAYERS = {"name": "news", "published": False}


@pytest.mark.usefixtures("quick_leases")
async def test_what_is_known_is_told_and_nothing_is_said_to_be_none_while_a_node_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = RedisRegistry.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "lease", PATIENCE)  # it is silent, and no less a member
    async with parted(tmp_path, cluster_answer_timeout=PATIENCE) as pair:
        await pair.one.publish("news")
        here, there = await pair.one.play("news"), await pair.two.play("news")
        pair.a.live.replace(evolve(pair.a.live.now, cluster_answer_timeout=ANSWER_TIMEOUT))
        pair.way.cut()
        found = await pair.a.rest.post("/rest-api/stream/find", json=PLAYERS)
        assert [each["mediaSessionId"] for each in found.json()] == [here.id]
        _is(pair, found, 200)
        _is(pair, await pair.a.rest.post("/rest-api/stream/find", json={"name": "other"}), 503)
        _is(pair, await pair.a.terminate(name="other"), 503)
        answer = await pair.a.terminate(**PLAYERS)
        _is(pair, answer, 503)
        assert (await here.status("FAILED"))["info"] == "Stopped by rest /terminate"
        (report,) = answer.json()["nodes"]
        assert report == {"nodeId": pair.a.server.parts.node_id, "matched": 1, "stopping": 0}
        assert answer.json()["missing"] == [pair.b.server.parts.node_id]

        again = await pair.one.play("news")
        pair.a.live.replace(evolve(pair.a.live.now, cluster_partial=PartialAnswer.OK))
        allowed = await pair.a.terminate(**PLAYERS)
        _is(pair, allowed, 200)
        assert (allowed.content, allowed.headers["X-Terminated-Count"]) == (b"", "1")
        assert (await again.status("FAILED"))["info"] == "Stopped by rest /terminate"
        _is(pair, await pair.a.terminate(**PLAYERS), 503)

        assert there.statuses == [("PLAYING", None)]
        pair.way.mend()
        assert (await there.status("FAILED"))["info"] == "Stopped by rest /terminate"


def _is(pair: Parted, answer: httpx.Response, status: int) -> None:
    """It has this status, and says that the second node is missing, and when to ask again."""
    told = [answer.headers.get(name) for name in ("X-Cluster-Nodes", "X-Cluster-Missing", "Retry-After")]
    assert (answer.status_code, told) == (status, ["1/2", pair.b.server.parts.node_id, "6" if status == 503 else None])

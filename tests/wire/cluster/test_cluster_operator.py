"""What the command line of a node says while it does not know what the others have."""

from pathlib import Path

from protocol.operator.messages import Done, ErrorKind, NotDone
from tests.support.cluster.cluster_pair import SharedNode, shared_pair, until
from tests.support.session.wcs_client import wcs_client

ALONE = "this is this node alone, for Redis does not answer"


async def test_no_list_is_complete_while_redis_is_away(tmp_path: Path) -> None:
    async with shared_pair(tmp_path) as (redis, a, _):
        for noun in ("streams", "sessions", "rooms"):
            assert await _told(a, f"show {noun}") == f"no {noun}"
        assert await _told(a, "show nodes") == ""
        redis.kill()
        for noun in ("streams", "sessions", "rooms"):
            assert await _told(a, f"show {noun}") == f"no {noun}; {ALONE}"
        async with wcs_client(a.full.ws_url()) as page:
            assert await _told(a, "show sessions") == ALONE
            await page.publish("news")
            unconfirmed = await a.command("terminate name=news")
            assert unconfirmed == NotDone(error=ErrorKind.UNCONFIRMED, message=f"stop 1 stream ({ALONE})?")
            nothing = await a.command("terminate name=nothing")
            assert nothing == NotDone(error=ErrorKind.REFUSED, message=f"no stream matches; {ALONE}", facts={})
        await until(lambda: not a.cluster.membership.is_up)
        assert await _told(a, "show nodes") == "Redis does not answer"


async def _told(node: SharedNode, command: str) -> str:
    answer = await node.command(command)
    assert isinstance(answer, Done)
    return answer.message

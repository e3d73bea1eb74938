"""Bans over a restart, and the file that keeps them."""

import logging
from pathlib import Path

import pytest

from actors.node.bans import Bans, load_bans
from actors.runtime.actor import StopReason
from actors.server import CannotStart
from protocol.access.bans_file import BansFileError, read_bans
from protocol.access.kicks import BanOrder, Kick, Subject
from tests.support.servers.full_server import full_server
from tests.support.session.wcs_client import wcs_client

ALICE = Subject(app_key="app", session_id="s1", user="alice")


def kicked(seconds: float = 60.0) -> StopReason:
    return StopReason(cause="test", kick=Kick(ban=BanOrder(seconds=seconds, reason="spam")))


async def test_a_ban_outlives_the_server_and_can_be_lifted(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as client:
        publication = await client.publish("news")
        answer = await server.rest.post("/rest-api/stream/terminate?ban=10m&reason=spam", json={"name": "news"})
        assert (answer.status_code, answer.headers["x-banned-count"]) == (200, "1")
        assert (await publication.status("FAILED"))["info"] == "spam"
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as client:
        media_session_id = await client.request("publishStream", "news", "v=0")
        refused = await client.receive("notifyStreamStatusEvent", mediaSessionId=media_session_id)
        assert refused["status"] == "FAILED"
        assert refused["info"].startswith("Banned for another ")
        assert refused["info"].endswith(" s: spam")
        (ban,) = (await server.rest.get("/rest-api/bans/find_all")).json()
        assert (await server.rest.post("/rest-api/bans/remove", json={"id": ban["id"]})).status_code == 200
        await client.publish("news")
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as client:
        await client.publish("news")


async def test_the_file_is_the_owners_and_holds_what_is_in_force(tmp_path: Path) -> None:
    path, now = tmp_path / "bans.jsonl", 1000.0
    bans = Bans(path=path, wall_clock=lambda: now)
    await bans.save()
    bans.session_stopped(kicked(), ALICE)
    bans.stream_stopped(kicked(5.0), ALICE, name="news", published=True)
    await bans.save()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_text().splitlines()) == 2
    now = 1010.0
    await bans.save()
    assert len(path.read_text().splitlines()) == 1
    assert [ban.who for ban in read_bans(path.read_text())] == ["user:alice"]


async def test_a_file_that_cannot_be_written_is_an_error_line_and_the_bans_hold(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bans = Bans(path=tmp_path / "missing" / "bans.jsonl")
    bans.session_stopped(kicked(), ALICE)
    await bans.save()
    assert bans.refusal_of_session(ALICE) is not None
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert line.getMessage() == "bans cannot be written"


def test_a_missing_file_means_no_bans(tmp_path: Path) -> None:
    assert load_bans(tmp_path / "bans.jsonl").active() == ()


@pytest.mark.parametrize("content", [b"nonsense\n", b"\xff\n", b"{}\n"])
async def test_a_file_that_cannot_be_read_stops_the_start_and_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state" / "bans.jsonl"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(BansFileError, match=r"bans\.jsonl"):
        load_bans(path)
    with pytest.raises(CannotStart, match=r"bans\.jsonl"):
        async with full_server(tmp_path):
            pass

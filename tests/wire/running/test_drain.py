"""Draining on real sockets: what is let in, what goes on, and how it ends."""

import signal
from pathlib import Path

import httpx
import trio

from tests.support.media.steady_media import steady_media
from tests.support.servers.full_server import FullServer, full_server
from tests.support.servers.server_process import running_server
from tests.support.session.wcs_client import PATIENCE, WcsClient, wcs_client

LOOPBACK = {"ip": "127.0.0.1"}


async def drain(server: FullServer, **body: object) -> httpx.Response:
    return await server.rest.post("/rest-api/admin/drain", json=body)


async def refused_publication(client: WcsClient) -> str | None:
    """Why a new publication fails."""
    media_session_id = await client.request("publishStream", "late", "v=0")
    frame = await client.receive("notifyStreamStatusEvent", mediaSessionId=media_session_id)
    assert frame["status"] == "FAILED"
    info: str | None = frame["info"]
    return info


async def test_what_runs_goes_on_without_a_lost_packet_and_viewers_are_let_in(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as one:
        publication = await one.publish("news")
        playback = await one.play("news")
        async with steady_media(publication, playback) as media:
            answer = await drain(server)
            assert answer.json() == {
                "state": "draining", "publications": 1, "viewers": 1, "secondsLeft": None, "refused": 0
            }  # fmt: skip
            async with wcs_client(server.ws_url()) as two:
                assert await refused_publication(two) == "Server is draining"
                await two.play("news")
                await media.so_many_more()
            ready = await server.rest.get("/readyz")
            assert (ready.status_code, ready.json()["missing"]) == (503, ["draining"])
            assert (await server.rest.get("/page/state")).json()["missing"] == ["draining"]
            shown = await server.statistics()
            assert (shown["draining"], shown["refused_by_drain"]) == ("1", "1")
            answer = await server.rest.post("/rest-api/admin/undrain")
            assert answer.json()["state"] == "serving"
            await one.publish("other")
            await media.so_many_more()
        assert (await server.rest.get("/readyz")).status_code == 200


async def test_the_end_of_the_last_publication_ends_the_server(tmp_path: Path) -> None:
    with running_server(tmp_path, LOOPBACK) as server:
        async with wcs_client(server.ws_url()) as client:
            publication = await client.publish("news")
            await client.play("news")
            told = await trio.to_thread.run_sync(server.operate, "drain", "--timeout", "30m")
            assert told == "draining: 1 publication, 1 viewer; stops in 30m in any case\n"
            await client.send("unPublishStream", {"mediaSessionId": publication.id, "name": "news", "published": True})
            await publication.status("UNPUBLISHED")
            assert await trio.to_thread.run_sync(server.wait) == 0
        assert "the drain is over publications=0" in server.log()
        assert '"what":"drain"' in (server.state / "audit.jsonl").read_text().replace(" ", "")


async def test_the_time_given_ends_the_server_too(tmp_path: Path) -> None:
    with running_server(tmp_path, LOOPBACK) as server:
        async with wcs_client(server.ws_url()) as client:
            publication = await client.publish("news")
            await trio.to_thread.run_sync(server.operate, "drain", "--timeout=1s")
            assert (await publication.status("FAILED"))["info"] == "Stopped by session disconnect"
            assert await trio.to_thread.run_sync(server.wait) == 0


async def test_a_signal_drains_if_the_setting_says_so_and_the_next_one_stops(tmp_path: Path) -> None:
    with running_server(tmp_path, LOOPBACK | {"shutdown_drain_timeout": 3_600_000}) as server:
        async with wcs_client(server.ws_url()) as client:
            publication = await client.publish("news")
            server.send_signal(signal.SIGTERM)
            await trio.to_thread.run_sync(lambda: server.wait_until(lambda: "by=SIGTERM" in server.log(), what="drain"))
            assert await refused_publication(client) == "Server is draining"
            refused = await trio.to_thread.run_sync(lambda: server.post("/admin/undrain", {}))
            assert refused.status_code == httpx.codes.CONFLICT
            assert "a signal has asked" in refused.json()["reason"]
            server.send_signal(signal.SIGHUP)
            await trio.to_thread.run_sync(
                lambda: server.wait_until(lambda: "settings reloaded" in server.log(), what="a reload")
            )
            assert "settings reloaded changed=0" in server.log()
            assert await refused_publication(client) == "Server is draining"
            assert publication.statuses == [("PUBLISHING", None)]
            server.send_signal(signal.SIGTERM)
            await publication.status("FAILED")
            with trio.fail_after(PATIENCE):
                await client.closed.wait()
            assert await trio.to_thread.run_sync(server.wait) == 0


async def test_a_signal_while_nobody_publishes_ends_at_once(tmp_path: Path) -> None:
    with running_server(tmp_path, LOOPBACK | {"shutdown_drain_timeout": 3_600_000}) as server:
        async with wcs_client(server.ws_url()):
            server.send_signal(signal.SIGTERM)
            assert await trio.to_thread.run_sync(server.wait) == 0


async def test_a_request_that_is_not_understood_changes_nothing(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server:
        for body in ({"timeout": "soon"}, {"timeout": 30}, {"time": "30m"}, {"timeout": "0s"}):
            assert (await drain(server, **body)).status_code == 400
        assert (await server.rest.get("/readyz")).status_code == 200

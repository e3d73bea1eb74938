"""The stream of events of a whole server, over a real connection."""

from pathlib import Path

import trio

from protocol.operator.callers import Operator
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import PATIENCE, wcs_client
from tests.support.web.event_reader import event_reader


def port_of(server: FullServer) -> int:
    (address,) = server.addresses["http"]
    return address.port


async def test_what_happens_is_told_in_order(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, event_reader(port_of(server)) as reader:
        assert reader.headers["content-type"].startswith("text/event-stream")
        async with wcs_client(server.ws_url()) as page:
            publication = await page.publish("news")
            await server.terminate(name="news")
            await publication.status("FAILED")
        ended = await reader.until("session.ended")

    assert reader.events[0].kind == "session.established"
    of_stream = [each for each in reader.events if each.fields.get("mediaSessionId") == publication.id]
    assert [(each.kind, each.fields.get("status")) for each in of_stream] == [
        ("stream.status", "PUBLISHING"),
        ("stream.status", "FAILED"),
        ("stream.ended", "FAILED"),
    ]
    terminated = await reader.until("stream.terminated")
    assert (terminated.fields["matched"], terminated.fields["name"]) == (1, "news")
    assert (ended.fields["appKey"], ended.fields["cause"]) == ("defaultApp", "client-closed")
    assert {each.fields["sessionId"] for each in reader.events if "sessionId" in each.fields} == {
        ended.fields["sessionId"]
    }


async def test_readers_end_first_at_a_shutdown(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server:
        readers = [event_reader(port_of(server)) for _ in range(3)]
        async with readers[0] as one, readers[1] as two, readers[2] as three:
            server.server.close()
            with trio.fail_after(PATIENCE):
                for reader in (one, two, three):
                    await reader.ended.wait()
            # Those that are cut off when the grace is over get no farewell.
            assert [reader.events[-1].kind for reader in (one, two, three)] == ["bye"] * 3


async def test_a_reader_comes_back_where_it_was(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server:
        async with wcs_client(server.ws_url()) as page:
            async with event_reader(port_of(server), "?types=session.*") as reader:
                await page.socket.aclose()
                ended = await reader.until("session.ended")
        number = int(ended.id.rpartition("-")[2])
        before = f"{ended.id.rpartition('-')[0]}-{number - 1}"
        async with event_reader(port_of(server), "?types=session.*", last_event_id=before) as reader:
            assert await reader.until("session.ended") == ended
        log = server.server.events
        with trio.fail_after(PATIENCE):
            while log.readers:  # noqa: ASYNC110 - nobody is told when a reader has gone
                await trio.sleep(0.01)


async def test_what_operators_do_is_told(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server:
        async with event_reader(port_of(server)) as reader, wcs_client(server.ws_url()) as page:
            await page.publish("news")
            await page.publish("goes on")  # a drain without publications is over at once
            desk = server.server.parts.command_desk()
            for words in (
                ("terminate", "name=news", "--yes"),
                ("add", "app", "shop", "shopKey", "https://shop.example/hooks"),
                ("drain",),
                ("undrain",),
            ):
                await desk.answer(words, Operator(who="operator"))
            await server.rest.post("/rest-api/admin/reload")
            await reader.until("config.reloaded")
    fields = {each.kind: each.fields for each in reader.events}
    terminated = fields["stream.terminated"]
    assert (terminated["source"], terminated["by"], terminated["matched"]) == ("wcs", "operator", 1)
    assert terminated["filter"] == {"name": "news"}
    assert (fields["app.changed"]["appKey"], fields["app.changed"]["change"]) == ("shopKey", "added")
    assert (fields["drain.started"]["by"], fields["drain.ended"]["result"]) == ("operator", "cancelled")
    assert fields["config.reloaded"]["result"] == "refused"  # this server has no settings file

"""Log lines join up: from a name to the ids and the client of its stream, and from a session to all of it."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.servers.full_server import full_server
from tests.support.session.wcs_client import wcs_client


async def test_a_stream_can_be_followed_through_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "wcsd")
    async with full_server(tmp_path) as server:
        async with wcs_client(server.ws_url()) as page:
            publication = await page.publish("news")
            playback = await page.play("news")
        await server.until_idle()
    lines = [(record.getMessage(), getattr(record, "wcsd_fields", {})) for record in caplog.records]

    (established,) = fields_of(lines, "session established")
    session = established["id"]
    assert established["client"] == "127.0.0.1"
    for stream, published in ((publication, True), (playback, False)):
        (live,) = [each for each in fields_of(lines, "stream live") if each["id"] == stream.id]
        assert live | {"name": "news", "session": session, "published": published, "client": "127.0.0.1"} == live
        assert (live["app"], live["video"]) == ("defaultApp", "VP8")
        (ended,) = [each for each in fields_of(lines, "stream ended") if each["id"] == stream.id]
        assert (ended["name"], ended["session"]) == ("news", session)
    of_session = {"stream live", "stream ended"}
    assert {each.get("session") for event, each in lines if event in of_session} == {session}


def fields_of(lines: list[tuple[str, dict[str, Any]]], event: str) -> list[dict[str, Any]]:
    return [fields for told, fields in lines if told == event]

"""Names that are URIs: masked where people look, as they were given where programs compare them."""

import json
from typing import Any

from actors.access.audit import AuditLog
from actors.events.event_log import EventLog
from protocol.node.server_events import EventFilter, EventType
from protocol.operator.commands import parse
from protocol.operator.live_commands import LiveCommand
from protocol.operator.messages import Done
from protocol.stream.record_names import RecordFacts, file_stem
from tests.support.operator.operator_console import live_commands_on
from tests.support.web.stream_world import StreamWorld, stream
from tests.support.web.web_rig import client_of

CAMERA = "rtsp://admin:s3cret@camera.example/live?key=s3cret"
SHOWN = "rtsp://***@camera.example/live?key=***"


def test_events_show_the_masked_name_and_are_found_by_the_one_that_was_given() -> None:
    log = EventLog()
    log.emit(EventType.STREAM_STATUS, name=CAMERA, filter={"name": CAMERA}, names=[CAMERA])
    (event,) = log.history()
    assert b"s3cret" not in event.data
    assert event.data.count(SHOWN.encode()) == 3
    assert EventFilter(name=CAMERA).matches(event)


def test_the_audit_file_shows_the_masked_name() -> None:
    lines: list[str] = []
    AuditLog(lines.append).done(who="a", source="wcs", what="terminate", result="200", filter={"name": CAMERA})
    assert json.loads(lines[0])["filter"] == {"name": SHOWN}


def test_a_file_is_called_by_the_masked_name() -> None:
    facts = RecordFacts(
        stream_name=CAMERA, media_session_id="m", session_id="s", start=1, audio_codec=None, video_codec=None
    )
    assert "s3cret" not in file_stem("{streamName}", facts)


async def shown(world: StreamWorld, *words: str) -> list[dict[str, Any]]:
    command = parse(words)
    assert isinstance(command, LiveCommand)
    answer = await live_commands_on(world).execute(command, "somebody")
    assert isinstance(answer, Done)
    return [dict(row) for row in answer.rows]


async def test_the_command_line_shows_masked_names_and_filters_by_the_given_one() -> None:
    world = StreamWorld([stream("1", CAMERA), stream("2", "lobby")])
    assert [row["name"] for row in await shown(world, "show", "streams")] == [SHOWN, "lobby"]
    assert [row["name"] for row in await shown(world, "show", "streams", f"name={CAMERA}", "-d")] == [SHOWN]
    assert [row["name"] for row in await shown(world, "terminate", f"name={CAMERA}", "--dry-run")] == [SHOWN]


async def test_rest_finds_streams_by_the_name_that_was_given_and_tells_it() -> None:
    async with client_of(StreamWorld([stream("1", CAMERA)])) as client:
        found = await client.post("/rest-api/stream/find", json={"name": CAMERA})
        assert [each["name"] for each in found.json()] == [CAMERA]
        assert (await client.post("/rest-api/stream/find", json={"name": SHOWN})).status_code == 404

"""The JSON file of a group of recordings whose parts are on other nodes."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.node.ports.recorder import GroupedFile
from actors.workers.recording.record_groups import LAST_PATIENCE, RecordGroups
from actors.workers.recording.recordings import Recordings
from config.settings import Settings

FAR = GroupedFile(file_name="far.webm", media_session_id="m1", name="far", start=0.0, duration=9, size=7)


async def collect(silent: trio.Event, files: list[GroupedFile]) -> None:
    """One node tells its file; another one never does."""
    files.append(FAR)
    silent.set()
    await trio.sleep_forever()


def listed(folder: Path) -> dict[str, list[str]]:
    """The names of the files of each group, by its URI."""
    contents: list[dict[str, Any]] = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return {each["uri"]: [file["fileName"] for file in each["files"]] for each in contents}


@pytest.mark.parametrize("ends_before", [False, True])
async def test_a_server_that_ends_lists_a_group_though_a_node_is_silent(
    tmp_path: Path, mock_clock: MockClock, ends_before: bool
) -> None:
    settings, silent = Settings(), trio.Event()
    recordings = Recordings(settings, tmp_path, lambda: 5.0)
    groups = RecordGroups(recordings, settings, lambda: 5.0)
    async with trio.open_nursery() as nursery:
        await nursery.start(recordings.run)
        groups.begin("news")
        groups.group("news").collect = partial(collect, silent)
        if ends_before:
            groups.end("news")
            await silent.wait()
        async with trio.open_nursery() as draining:
            draining.start_soon(recordings.drain)
            await silent.wait()
            await wait_all_tasks_blocked()
            assert listed(tmp_path) == {}
            mock_clock.jump(LAST_PATIENCE)
        nursery.cancel_scope.cancel()
    assert listed(tmp_path) == {"news": ["far.webm"]}

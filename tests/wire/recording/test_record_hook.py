"""The program that is run for each finished file: it gets hostile text as it is, and harms nobody when it fails."""

import os
from pathlib import Path

import pytest
import trio
from attrs import evolve

from actors.workers.recording.hook_script import HookScript
from protocol.stream.record_names import STOCK_HOOK_SCRIPT
from protocol.stream.rotation import Rotation
from tests.support.workers.record_studio import FREE, ended, names, rotated, studio

HOSTILE = "-rf $(touch owned) `touch owned` 'x' \"y\" \n* {endTime} ä"
SAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "on_record_hook.sh"


def script(folder: Path, text: str) -> Path:
    """A program of an operator."""
    path = folder / "hook.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


async def outcome(folder: Path, text: str, seconds: float = 30.0) -> HookScript:
    """A program has been run for a file."""
    settings = evolve(FREE, on_record_hook_script=script(folder, text), records_hook_timeout=seconds)
    hook = HookScript(settings)
    with trio.fail_after(30):
        await hook.run("news", folder / "news.webm")
    return hook


async def test_it_is_run_for_each_file_and_gets_any_text_as_it_is(tmp_path: Path) -> None:
    told, records = tmp_path / "told", tmp_path / "records"
    program = script(tmp_path, f'printf "%s|%s;" "$1" "$2" >>{told}')
    changes = evolve(FREE, on_record_hook_script=program, record_rotation=Rotation(max_bytes=4000))
    async with studio(records, changes) as made:
        source = made.source()
        request = made.request(source)
        named = evolve(request, facts=evolve(request.facts, stream_name=f"{HOSTILE}\0"))
        recording = made.recordings.start(named)
        await recording.started.wait()
        made.play(source)
        await rotated(made, recording, source)
        recording.finish()
        await ended(recording)
    assert len(names(records)) == 2
    assert sorted(told.read_text().split(";")[:-1]) == sorted(f"{HOSTILE}?|{records / name}" for name in names(records))
    assert names(tmp_path) == ["hook.sh", "records", "told"]
    assert (made.recordings.files.script.counts.scripts, made.recordings.files.script.counts.scripts_failed) == (2, 0)


async def test_the_sample_copies_a_file_whatever_its_stream_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file, target = tmp_path / "-x $(touch owned).webm", tmp_path / "-copy"
    file.write_bytes(b"film")
    done = await trio.run_process(
        ["/bin/sh", SAMPLE, HOSTILE, file], env={"RECORDS_TARGET": str(target), "PATH": os.defpath}
    )
    assert done.returncode == 0
    assert (target / file.name).read_bytes() == b"film"
    assert len((target / "index.txt").read_text().splitlines()) == 1
    assert names(tmp_path) == ["-copy", "-x $(touch owned).webm"]


async def test_one_that_fails_is_counted(tmp_path: Path) -> None:
    assert (await outcome(tmp_path, "echo no >&2; exit 3")).counts.scripts_failed == 1


async def test_one_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    assert (await outcome(tmp_path, "sleep 1000", seconds=0.2)).counts.scripts_failed == 1


async def test_one_that_may_not_be_killed_harms_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killpg = os.killpg

    def refused(group: int, number: int) -> None:
        killpg(group, number)
        raise PermissionError

    monkeypatch.setattr(os, "killpg", refused)
    assert (await outcome(tmp_path, "sleep 1000", seconds=0.2)).counts.scripts_failed == 1


async def test_one_that_is_stopped_is_killed_with_all_that_it_has_started(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alive")
    reader = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    try:
        async with trio.open_nursery() as nursery:
            text = f"exec 5>{tmp_path / 'alive'}; sleep 1000 & echo >&5; sleep 1000"  # both hold the pipe open
            nursery.start_soon(outcome, tmp_path, text)
            with trio.fail_after(30):
                await trio.lowlevel.wait_readable(reader)
            assert os.read(reader, 1) == b"\n"
            nursery.cancel_scope.cancel()
        with trio.fail_after(30):
            await trio.lowlevel.wait_readable(reader)
        assert os.read(reader, 1) == b"", "nobody is left who could write"
    finally:
        os.close(reader)


async def test_one_that_is_no_program_is_told_and_the_stock_one_of_wcs_is_not_missed(tmp_path: Path) -> None:
    broken = await outcome(tmp_path, "")
    broken_path = tmp_path / "missing"
    missing = HookScript(evolve(FREE, on_record_hook_script=broken_path))
    await missing.run("news", tmp_path / "news.webm")
    assert (broken.counts.scripts_failed, missing.counts.scripts_failed) == (0, 1)
    stock = HookScript(evolve(FREE, on_record_hook_script=Path(STOCK_HOOK_SCRIPT)))
    await stock.run("news", tmp_path / "news.webm")
    assert (stock.counts.scripts, stock.counts.scripts_failed) == (0, 0)

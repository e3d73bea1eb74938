"""Recorders that share a process, and a disk that takes its time."""

import pytest

from actors.workers.programs.recording import loop
from actors.workers.programs.recording.loop import Recorded, RecorderLoop
from tests.support.workers.slow_recorder import Journal, SlowRecorder


def test_recorders_report_while_another_one_waits_for_its_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal()
    monkeypatch.setattr(loop, "time", journal.time())
    recorders = [SlowRecorder(name, journal, takes) for name, takes in (("a", 6.0), ("b", 0.1), ("c", 6.0))]
    ended: list[tuple[Recorded, int]] = []
    turns = RecorderLoop(lambda recorder, status: ended.append((recorder, status)))
    for recorder in recorders:
        turns.add(recorder)
    turns.run()
    all_told = ["a stat", "b stat", "c stat"]
    once = ["a flush", "a slow 6.0", *all_told, "b flush", "c flush", "c slow 6.0", *all_told]
    ends = ["a finish", "b stat", "c stat", "b finish", "c finish"]
    assert journal.lines == [*all_told, *once, *once, *ends]
    assert ended == [(recorder, 0) for recorder in recorders]
    for recorder in recorders:
        recorder.close()

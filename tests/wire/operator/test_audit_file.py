"""The audit file: whole lines, whoever moves it away, and a server that goes on when it cannot be written."""

import json
import os
from pathlib import Path

import pytest

from actors.access.audit import REFUSED_BURST, AuditFile, AuditLog, open_audit_file

PATIENCE = 20.0


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def note(audit: AuditLog, what: str) -> None:
    audit.done(who="user a", source="127.0.0.1", what=what, result="200")


def test_a_line_is_an_object_and_the_file_is_the_owners(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    writer = open_audit_file(path)
    audit = AuditLog(writer.write, clock=lambda: 1_800_000_000.5)
    audit.done(
        who="user a\nb", source="::1", what="POST /x", result="200", filter={"name": "n" * 2000}, matched=3, gone=None
    )
    assert writer.close(PATIENCE)
    (line,) = lines_of(path)
    assert line == {
        "time": "2027-01-15T08:00:00.500Z",
        "who": "user a\nb",
        "from": "::1",
        "what": "POST /x",
        "filter": {"name": "n" * 1000},
        "matched": 3,
        "result": "200",
    }
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_moved_away_is_created_anew_and_no_line_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path)
    audit = AuditLog(lambda line: file.write(line.encode()))
    for turn in range(5):
        for number in range(10):
            note(audit, f"{turn}.{number}")
        path.rename(tmp_path / f"old{turn}")
    file.close()
    told = [line["what"] for turn in range(5) for line in lines_of(tmp_path / f"old{turn}")]
    assert told == [f"{turn}.{number}" for turn in range(5) for number in range(10)]


def test_when_it_cannot_be_written_the_log_says_so_and_lines_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "later"
    writer = open_audit_file(folder / "audit.jsonl")
    audit = AuditLog(writer.write)
    note(audit, "lost")
    while not writer.lost:
        os.sched_yield()
    folder.mkdir()
    note(audit, "kept")
    assert writer.close(PATIENCE)
    assert [line["what"] for line in lines_of(folder / "audit.jsonl")] == ["kept", "audit"]
    assert lines_of(folder / "audit.jsonl")[1]["count"] == 1
    assert [record.getMessage() for record in caplog.records] == ["audit file cannot be written"]


def test_no_line_is_written_through_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "audit.jsonl").symlink_to(tmp_path / "target")
    file = AuditFile(tmp_path / "audit.jsonl")
    assert not file.write(b"{}\n")
    assert not (tmp_path / "target").exists()


def test_strangers_cannot_fill_the_disk() -> None:
    now = [0.0]
    lines: list[str] = []
    audit = AuditLog(lines.append, clock=lambda: now[0])
    for _ in range(10_000):
        audit.refused(who="unknown", source="::1", what="GET /" + "x" * 16_000, result="wrong")
    assert len(lines) == REFUSED_BURST
    assert max(map(len, lines)) < 1200
    now[0] = 1.0
    audit.refused(who="unknown", source="::1", what="GET /", result="wrong")
    assert json.loads(lines[-1])["suppressed"] == 10_000 - REFUSED_BURST

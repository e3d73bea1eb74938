"""The file of kept hooks: what it promises, whose it is, and what it does when it cannot."""

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.storage.hook_spool import AppTotals, HookSpoolFile, RemovedRow, SpoolFileError
from protocol.hooks import Answered, NotSent, Outcome, TimedOut, Unreachable
from protocol.hooks.kept_hook import OVERHEAD, KeepPolicy, KeptHook, is_undelivered
from tests.support.hooks.kept_hooks import HOOK, hooks


def numbers(rows: list[KeptHook] | list[RemovedRow]) -> list[int]:
    return [row.number for row in rows]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite3"


@pytest.fixture
def file(path: Path) -> Iterator[HookSpoolFile]:
    with closing(HookSpoolFile(path)) as file:
        yield file


def test_what_was_written_is_read_back_by_the_next_run(path: Path, file: HookSpoolFile) -> None:
    assert not file.exists
    file.write([HOOK, evolve(HOOK, number=2, last=True, lane="")], [])
    file.close()
    size = 2 * (len(HOOK.content) + OVERHEAD)
    with closing(HookSpoolFile(path)) as again:
        assert again.page("shop", after=0, limit=10) == [HOOK, evolve(HOOK, number=2, last=True, lane="")]
        assert again.totals() == ({"shop": AppTotals(rows=2, ends=1, size=size, oldest=1000.5)}, 2)


def test_pages_are_in_order_and_of_one_application(file: HookSpoolFile) -> None:
    file.write([*hooks(5), evolve(HOOK, number=6, app_key="other")], [2])
    assert numbers(file.page("shop", after=0, limit=3)) == [1, 3, 4]
    assert numbers(file.page("shop", after=4, limit=3)) == [5]
    assert file.oldest() == {"shop": 1.0, "other": 1000.5}


def test_the_files_are_the_owners_alone(path: Path, file: HookSpoolFile) -> None:
    file.write([HOOK], [])
    files = sorted(path.parent.iterdir())
    assert [each.name for each in files] == ["spool.sqlite3", "spool.sqlite3-shm", "spool.sqlite3-wal"]
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}


def test_what_is_delivered_leaves_no_trace(path: Path, file: HookSpoolFile) -> None:
    file.write(hooks(100), [])
    file.write([], range(1, 101))
    file.compact()
    assert all(b"s3cret" not in each.read_bytes() for each in path.parent.iterdir())


def test_a_link_in_its_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").touch()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpoolFileError, match="spool"):
        HookSpoolFile(path).write([HOOK], [])


def test_a_file_that_is_no_spool_is_set_aside(path: Path, file: HookSpoolFile) -> None:
    path.write_bytes(b"not a database at all" * 1000)
    file.write([HOOK], [])
    assert numbers(file.page("shop", after=0, limit=5)) == [1]
    assert path.with_name("spool.sqlite3.unreadable").read_bytes().startswith(b"not a database")
    assert file.was_set_aside


def test_the_oldest_go_first_and_ends_last(file: HookSpoolFile) -> None:
    file.write([evolve(hook, last=hook.number in (1, 3)) for hook in hooks(5)], [])
    gone = file.shrink(3 * HOOK.size)
    assert numbers(gone) == [2, 4, 5]
    assert numbers(file.shrink(1)) == [1]
    assert numbers(file.page("shop", after=0, limit=9)) == [3]


def test_what_is_too_old_goes_whatever_it_tells(file: HookSpoolFile) -> None:
    file.write([evolve(hook, last=hook.number == 1) for hook in hooks(5)], [])
    assert numbers(file.remove_older(3.0)) == [1, 2]
    assert numbers(file.remove_app("shop")) == [3, 4, 5]
    assert file.totals()[0] == {}


def test_hooks_of_a_later_version_are_left_alone(path: Path, file: HookSpoolFile) -> None:
    file.write(hooks(4), [])
    file.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE hooks SET method = 'ofTheFuture' WHERE number < 3")
    assert numbers(file.page("shop", after=0, limit=2)) == [3, 4]  # they take no place in a page


def test_a_full_disk_is_told_and_nothing_is_half_done(file: HookSpoolFile) -> None:
    file.write([HOOK], [])
    with file._using() as database:
        pages = database.execute("PRAGMA page_count").fetchone()[0]
    assert file._opened is not None
    file._opened.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(SpoolFileError, match="full"):
        file.write(hooks(1000), [])
    assert numbers(file.page("shop", after=0, limit=5)) == [1]
    file._opened.execute("PRAGMA max_page_count = 100000")
    file.write(hooks(10), [])
    assert len(file.page("shop", after=0, limit=50)) == 10


WRITER = """
import sys
from pathlib import Path
from attrs import evolve
from actors.storage.hook_spool import HookSpoolFile
from tests.support.hooks.kept_hooks import HOOK
file = HookSpoolFile(Path(sys.argv[1]))
number = 0
while True:
    file.write([evolve(HOOK, number=number + each) for each in range(1, 21)], [])
    number += 20
    print(number, flush=True)
"""


def test_what_was_committed_survives_a_kill(path: Path, file: HookSpoolFile) -> None:
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], cwd=root, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for _ in range(50):
            writer.stdout.readline()
        writer.kill()
        committed = max([1000, *map(int, writer.stdout.read().split())])
    kept = file.page("shop", after=0, limit=1_000_000)
    assert numbers(kept)[:committed] == list(range(1, committed + 1))


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["a", "b"]), st.integers(0, 5)), max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_the_totals_are_those_of_the_rows(path: Path, steps: list[tuple[bool, str, int]]) -> None:
    path.unlink(missing_ok=True)
    file, present = HookSpoolFile(path), dict[int, KeptHook]()
    for number, (last, app, removed) in enumerate(steps, 1):
        hook = evolve(HOOK, number=number, last=last, app_key=app)
        file.write([hook], [removed])
        present[number] = hook
        present.pop(removed, None)
    totals, _ = file.totals()
    for app in ("a", "b"):
        mine = [hook for hook in present.values() if hook.app_key == app]
        total = totals.get(app, AppTotals())
        assert (total.rows, total.ends, total.size) == (len(mine), sum(h.last for h in mine), sum(h.size for h in mine))
    file.close()


@pytest.mark.parametrize(
    ("outcome", "undelivered"),
    [
        (TimedOut(seconds=1), True),
        (Unreachable(cause="refused"), True),
        *((Answered(status=status), status >= 500) for status in (200, 204, 302, 400, 403, 404, 500, 503)),
        (NotSent(), False),
    ],
)
def test_an_answer_below_500_is_a_delivery(outcome: Outcome, undelivered: bool) -> None:
    assert is_undelivered(outcome) is undelivered


def test_what_an_application_keeps() -> None:
    kept = {policy: (policy.keeps(last=False), policy.keeps(last=True)) for policy in KeepPolicy}
    assert kept == {"off": (False, False), "ends": (False, True), "all": (True, True)}

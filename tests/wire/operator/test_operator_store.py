"""The file of applications: read at start, written durably, and never lost."""

import errno
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from actors.storage.app_store import AppStore, open_app_store
from actors.storage.table_store import TableStoreError
from config.apps import App, AppError, AppTable, default_table
from config.tables.apps_file import AppFileError, read_apps, write_apps
from tests.support.operator.operator_console import ROOT, open_console

R = TypeVar("R")
SHOP = App(name="shop", key="shopKey", url="http://a.example", rest_username="u", rest_password="s3cret")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "apps.toml"


def change(store: AppStore, how: Callable[[AppTable], tuple[AppTable, R]]) -> R:
    return trio.run(store.change, how)


def add_shop(table: AppTable) -> tuple[AppTable, str]:
    return table.added(SHOP), "added"


def test_a_new_state_folder_gets_the_default_table(path: Path) -> None:
    assert open_app_store(path).table == default_table()
    assert read_apps(path.read_text(), file_name="") == default_table()


def test_a_change_is_on_disk_and_in_force_when_it_is_acknowledged(path: Path) -> None:
    store = open_app_store(path)
    assert change(store, add_shop) == "added"
    assert store.by_key("shopKey") == SHOP
    assert open_app_store(path).by_key("shopKey") == SHOP
    assert [entry.name for entry in path.parent.iterdir()] == ["apps.toml"]


def test_a_refused_change_changes_nothing(path: Path) -> None:
    store = open_app_store(path)
    change(store, add_shop)
    before = path.read_text()
    with pytest.raises(AppError, match="is taken"):
        change(store, add_shop)
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", "{path}: 'format = 1' is missing: not a whole file of applications"),
        (b"format = 1\n\xff", "{path}:2: not UTF-8 text"),
        (b"format = 1\n[[app]]\nname = 'a'\nkey = 'a'\nurl = 'ftp://a'\n", "{path}:5: url: 'ftp://a' must start with"),
        (write_apps(default_table()).encode()[:-5], "{path}:"),
    ],
)
def test_a_file_that_cannot_be_used_stops_the_start_and_is_left_alone(path: Path, data: bytes, error: str) -> None:
    path.write_bytes(data)
    with pytest.raises((AppFileError, TableStoreError)) as caught:
        open_app_store(path)
    assert str(caught.value).startswith(error.format(path=path))
    assert path.read_bytes() == data


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableStoreError, match=r"cannot read .*: Is a directory"):
        open_app_store(tmp_path)
    with pytest.raises(TableStoreError, match=r"cannot write .*: No such file"):
        open_app_store(tmp_path / "missing" / "apps.toml")


def test_an_edit_under_a_running_server_is_not_overwritten(path: Path) -> None:
    store = open_app_store(path)
    edited = write_apps(AppTable((SHOP,)))
    path.write_text(edited)
    with pytest.raises(TableStoreError, match="was edited while the server runs"):
        change(store, add_shop)
    assert path.read_text() == edited
    assert store.table == default_table()


def test_a_file_made_by_hand_and_one_that_was_removed_are_written_anew(path: Path) -> None:
    path.write_text("# by hand\n" + write_apps(AppTable(())))
    store = open_app_store(path)
    change(store, add_shop)
    path.unlink()
    change(store, lambda table: (table.removed(SHOP), None))
    assert open_app_store(path).table == store.table
    assert [app.name for app in store.table.apps] == ["roomApp"]


# -- applications that came with later versions ------------------------------------------------------------------------


def test_a_file_of_an_earlier_version_gets_what_came_later_once(
    path: Path,
) -> None:
    path.write_text(write_apps(AppTable((SHOP,))))
    store = open_app_store(path)
    assert [app.name for app in store.table.apps] == ["shop", "roomApp"]
    assert read_apps(path.read_text(), file_name="") == store.table
    room_app = store.by_key("roomApp")
    assert room_app is not None
    assert room_app.rooms
    change(store, lambda table: (table.removed(room_app), None))
    assert [app.name for app in open_app_store(path).table.apps] == ["shop"], "what was removed stays removed"


@pytest.mark.parametrize("own", [SHOP.with_fields(key="roomApp"), SHOP.with_fields(name="roomApp")])
def test_an_application_of_the_same_key_or_name_is_left_alone(path: Path, own: App) -> None:
    path.write_text(write_apps(AppTable((own,))))
    store = open_app_store(path)
    assert store.table.apps == (own,)
    change(store, lambda table: (table.removed(table.apps[0]), None))
    assert open_app_store(path).table.apps == ()


def test_a_symbolic_link_stays_one(path: Path) -> None:
    (path.parent / "elsewhere").mkdir()
    path.symlink_to("elsewhere/apps.toml")
    store = open_app_store(path)
    change(store, add_shop)
    assert path.is_symlink()
    assert open_app_store(path).table == store.table


def test_what_a_killed_server_left_behind_is_no_hindrance(path: Path) -> None:
    store = open_app_store(path)
    (path.parent / "apps.toml.new").write_text("half a ta")
    (path.parent / "apps.toml.new").chmod(0o644)
    change(store, add_shop)
    assert path.stat().st_mode & 0o777 == 0o600
    assert open_app_store(path).table == store.table


@pytest.mark.parametrize("failing", ["fsync", "open", "fchmod"])
def test_a_full_or_broken_disk_is_told_and_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = open_app_store(path)
    with monkeypatch.context() as broken:
        broken.setattr(os, failing, fail)
        with pytest.raises(TableStoreError, match=r"cannot write .*: No space left on device"):
            change(store, add_shop)
    assert store.table == default_table()
    change(store, add_shop)
    assert open_app_store(path).by_key("shopKey") == SHOP


@pytest.mark.parametrize("is_there", [True, False])
def test_a_disk_that_fails_after_the_rename_leaves_what_was_there_before(
    path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    """The folder's fsync fails: nobody may believe the change, the next start neither."""
    store = open_app_store(path)
    if not is_there:
        path.unlink()
    with monkeypatch.context() as broken:
        fail_syncs(broken)
        with pytest.raises(TableStoreError, match=r"cannot write .*: Input/output error$"):
            change(store, add_shop)
    assert store.by_key("shopKey") is None
    assert open_app_store(path).table == default_table()
    assert change(store, add_shop) == "added"
    assert [entry.name for entry in path.parent.iterdir()] == ["apps.toml"]


def test_a_change_that_cannot_be_taken_back_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_app_store(path)
    replace = Path.replace

    def replace_once(self: Path, target: Path) -> Path:
        if self.suffix == ".old":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return replace(self, target)

    with monkeypatch.context() as broken:
        fail_syncs(broken)
        broken.setattr(Path, "replace", replace_once)
        with pytest.raises(TableStoreError, match="the change is in force after a restart"):
            change(store, add_shop)
    assert open_app_store(path).by_key("shopKey") == SHOP
    assert change(store, add_shop) == "added"


def test_without_hard_links_it_is_the_same(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    test_a_disk_that_fails_after_the_rename_leaves_what_was_there_before(path, monkeypatch, is_there=True)


def fail_syncs(patch: pytest.MonkeyPatch) -> None:
    """Files are synced, folders are not."""
    fsync = os.fsync

    def fail_for_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    patch.setattr(os, "fsync", fail_for_folders)


async def test_a_failing_disk_reaches_the_operator(nursery: trio.Nursery, tmp_path: Path) -> None:
    console = await open_console(nursery, tmp_path)
    (tmp_path / "apps.toml").write_text("mine")
    process = await console.wcs("remove", "app", "defaultApp")
    assert process.returncode == 4
    assert b"was edited while the server runs; nothing was changed" in process.stderr
    assert console.store.by_key("defaultApp") is not None


async def test_a_cancelled_change_is_whole_or_not_at_all(path: Path) -> None:
    store: AppStore = open_app_store(path)
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.change(add_shop)
    assert scope.cancelled_caught
    assert store.table == default_table()

    def change_and_cancel(table: AppTable) -> tuple[AppTable, str]:
        scope.cancel()
        return add_shop(table)

    with trio.CancelScope() as scope:
        await store.change(change_and_cancel)
    assert open_app_store(path).table == store.table


@pytest.mark.parametrize("mode", ["line", "moment"])
async def test_a_server_killed_at_any_instant_loses_nothing_that_was_acknowledged(tmp_path: Path, mode: str) -> None:
    process = await trio.run_process(
        [sys.executable, "-m", "tests.support.operator.killed_store", mode, str(tmp_path)],
        capture_stdout=True, capture_stderr=True, check=False, cwd=ROOT,
    )  # fmt: skip
    assert process.stderr == b""
    deaths = int(process.stdout.split()[0])
    assert deaths >= 30

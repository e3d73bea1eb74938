"""The state folders of the nodes of one machine: what they share, and which copy of a table counts."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.host_nodes.state_files import NodeFolders
from actors.storage.state_folder import StateFolder, StateFolderError


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateFolder]:
    with StateFolder(tmp_path / "state") as folder:
        yield folder


def write(path: Path, text: str, *, age: int) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    os.utime(path, (1_000_000 - age, 1_000_000 - age))


def test_all_begin_with_the_latest_copy_wherever_it_is(state: StateFolder) -> None:
    write(state.path / "apps.toml", "old", age=30)
    write(state.path / "node-2" / "apps.toml", "new", age=10)
    write(state.path / "node-0" / "apps.toml", "older", age=40)
    write(state.path / "users.toml", "only", age=30)
    folders = NodeFolders(state, 2)
    folders.prepare()
    for path in (state.path, *folders.paths):
        assert ((path / "apps.toml").read_text(), (path / "users.toml").read_text()) == ("new", "only")
        assert not (path / "sources.toml").exists()
    write(state.path / "node-1" / "apps.toml", "newest", age=5)
    folders.gather()
    assert (state.path / "apps.toml").read_text() == "newest"
    assert (state.path / "node-0" / "apps.toml").read_text() == "new"


def test_certificates_are_one_folder(state: StateFolder) -> None:
    certificate, _ = state.certificate()
    folders = NodeFolders(state, 2)
    folders.prepare()
    for path in folders.paths:
        shared, _ = StateFolder(path).certificate()
        assert shared.samefile(certificate)
        assert StateFolder(path).node_id() != state.node_id()


def test_a_path_on_which_nodes_could_not_open_their_sockets_is_refused_at_once(tmp_path: Path) -> None:
    room = 107 - len(os.fsencode(tmp_path / "node-0" / "looks.sock")) - 1
    NodeFolders(StateFolder(tmp_path / ("s" * room)), 2).check_sockets()
    with pytest.raises(StateFolderError, match="too long for a Unix socket"):
        NodeFolders(StateFolder(tmp_path / ("s" * (room + 1))), 2).check_sockets()


def test_a_node_that_still_runs_is_seen(state: StateFolder) -> None:
    folders = NodeFolders(state, 2)
    folders.prepare()
    with StateFolder(folders.paths[1]):
        assert folders.in_use() == [folders.paths[1]]
    assert not folders.in_use()

"""How packages and imports hang together. The sizes of files, functions and classes are in test_house.py."""

from graphlib import TopologicalSorter
from pathlib import Path

import grimp

import actors
import config
import protocol

PARENT = Path(__file__).resolve().parents[2]
PACKAGES = (actors, config, protocol)
SOURCES = sorted(path for name in ("actors", "config", "protocol") for path in (PARENT / name).rglob("*.py"))


def test_the_packages_share_one_parent_folder() -> None:
    """A foreign package `config` in site-packages would shadow ours."""
    assert {Path(package.__file__ or "").resolve().parent.parent for package in PACKAGES} == {PARENT}


def test_every_folder_of_sources_is_a_package() -> None:
    """A folder without `__init__.py` would be left out of the wheel."""
    assert [path.parent for path in SOURCES if not (path.parent / "__init__.py").exists()] == []


def test_no_module_leads_back_to_itself() -> None:
    """Imports for the type checker count too. Between folders the contracts in pyproject.toml say the same."""
    graph = grimp.build_graph("actors", "config", "protocol", cache_dir=None)
    assert len(graph.modules) == len(SOURCES)
    TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}).prepare()

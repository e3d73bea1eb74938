"""Rules of the house that a machine can check."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

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


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PARENT)))
def test_files_functions_and_classes_stay_small(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400
    assert list(_too_big(text)) == []


def test_no_module_leads_back_to_itself() -> None:
    """Imports for the type checker count too. Between folders the contracts in pyproject.toml say the same."""
    graph = grimp.build_graph("actors", "config", "protocol", cache_dir=None)
    assert len(graph.modules) == len(SOURCES)
    TopologicalSorter({name: graph.find_modules_directly_imported_by(name) for name in graph.modules}).prepare()


def _too_big(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.ClassDef() if _lines(node) > 250:
                yield f"class {node.name}: {_lines(node)} lines"
            case ast.FunctionDef() | ast.AsyncFunctionDef() if _lines(node) > 40:
                yield f"{node.name}: {_lines(node)} lines"


def _lines(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1

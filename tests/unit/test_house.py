"""Sizes and names: what a reader can hold in mind, and find by its name."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("actors", "protocol", "config")
SOURCES = sorted(
    path for folder in (*PRODUCT, "tests") for path in (ROOT / folder).rglob("*.py") if "node_modules" not in path.parts
)

LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 40
LINES_OF_A_CLASS = 250
ARGUMENTS_BY_POSITION = 6

ALLOWED = {
    "tests/support/webrtc/media_peer.py": "a whole WebRTC peer, which is poked at in all its parts",
    "tests/support/webrtc/media_peer.py MediaPeer": "as the file",
}
"""What may be larger, and why. No product code is: its two loops over viewers fit too."""


@cache
def statements(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of its code that are statements."""
    return tuple(node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.stmt))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def definitions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in statements(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


def oversize(path: Path) -> Iterator[str]:
    """What of a file is larger than it may be."""
    if len(path.read_text().splitlines()) > LINES_OF_A_FILE:
        yield name_of(path)
    for node in definitions(path):
        most = LINES_OF_A_CLASS if isinstance(node, ast.ClassDef) else LINES_OF_A_FUNCTION
        if (node.end_lineno or 0) - node.lineno + 1 > most:
            yield f"{name_of(path)} {node.name}"


def test_there_is_something_to_measure() -> None:
    assert len(SOURCES) > 300


@pytest.mark.parametrize("folder", [*PRODUCT, "tests"])
def test_files_functions_and_classes_are_small(folder: str) -> None:
    large = {each for path in SOURCES if name_of(path).startswith(f"{folder}/") for each in oversize(path)}
    assert large == {each for each in ALLOWED if each.startswith(f"{folder}/")}


def test_what_takes_many_arguments_takes_them_by_name() -> None:
    many = {
        f"{name_of(path)} {node.lineno} {node.name}"
        for path in SOURCES
        if not name_of(path).startswith("tests/")
        for node in definitions(path)
        if not isinstance(node, ast.ClassDef) and len(by_position(node)) > ARGUMENTS_BY_POSITION
    }
    assert many == set()


def by_position(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The arguments that a call may give without their names."""
    names = [each.arg for each in (*node.args.posonlyargs, *node.args.args)]
    return [name for name in names if name not in ("self", "cls")]


def test_one_name_is_one_class() -> None:
    places = defaultdict(list)
    for path in SOURCES:
        if not name_of(path).startswith("tests/"):
            for node in definitions(path):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(name_of(path))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_no_test_is_imported_by_another_module() -> None:
    """What two tests share is in tests/support. A test runs alone, and may be moved or removed alone."""
    imported = {
        f"{name_of(path)}: {module}"
        for path in SOURCES
        for node in statements(path)
        for module in imports_of(node)
        if module.startswith("tests.") and any(part.startswith("test_") for part in module.split("."))
    }
    assert imported == set()


def imports_of(node: ast.AST) -> Iterator[str]:
    """The modules that a statement imports, or may import."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_root_of_actors_is_the_way_in() -> None:
    assert {path.stem for path in (ROOT / "actors").glob("*.py")} <= {"__init__", "daemon", "server", "cli"}


def test_every_folder_says_what_is_in_it() -> None:
    shared = {path.parent for path in SOURCES if name_of(path).startswith(("tests/support/", "tests/bench/"))}
    folders = {path.parent for path in SOURCES if not name_of(path).startswith("tests/")} | shared
    assert {name_of(folder) for folder in folders if not says_what_it_is(folder)} == set()


def says_what_it_is(folder: Path) -> bool:
    """By the first lines of its `__init__`, or of the program that it is."""
    files = [path for path in (folder / "__init__.py", folder / "__main__.py") if path.exists()]
    return any(path.read_text().startswith('"""') for path in files)


def test_the_slow_files_of_the_wire_are_a_tidy_list() -> None:
    wire = ROOT / "tests/wire"
    tree = ast.parse((wire / "conftest.py").read_text())
    (names,) = (node.elts for node in ast.walk(tree) if isinstance(node, ast.Set))
    stems = [ast.literal_eval(name) for name in names]
    assert stems == sorted(set(stems))
    assert set(stems) <= {path.stem.removeprefix("test_") for path in wire.rglob("test_*.py")}

"""The documentation speaks of what is there: links, files, settings, texts, and decisions in their order."""

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

from config.settings import TABLE
from config.unsupported_wcs_settings import KEYSTORES, WITHOUT_EFFECT
from protocol.stream.info_texts import StreamInfo

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [*(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")), *sorted(DOCS.rglob("*.md"))]
FOLDERS = ("actors", "bin", "config", "docs", "protocol", "tests")
GENERATED = {"node_modules", "__pycache__"}
SOURCES = [path for name in FOLDERS for path in (ROOT / name).rglob("*") if not GENERATED & set(path.parts)]

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
FILE = re.compile(rf"[\w.-][\w./-]*\.(?:py|sh|js|css|html|md|svg|properties|txt|toml)|(?:{'|'.join(FOLDERS)})/[\w./-]*")
PROGRAM = re.compile(r"\btests(?:\.[a-z_]+){2,}")
# Names that only settings have. `rest_username` and the like are fields of an application.
SETTING = re.compile(
    r"(?:(?:wss?|https?|rest|log|media|keep_alive)\.[a-z_]+"
    r"|(?:rest|max|keep_alive|streaming_sessions|ice|dtls|rtp|play_wait|media|disable|shutdown)_[a-z_]+)(?:=.*)?"
)
NOT_SETTINGS = {"media.dropped", "rest_username", "rest_password"}
FILES_OF_STATE = {"apps.toml", "users.toml", "sources.toml", "flashphoner.properties"}
FILES_OF_WCS = {"server.properties"}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    assert [link for link in _links(page) if not _leads_somewhere(page, link)] == []


@every_page
def test_files_that_are_named_are_there(page: Path) -> None:
    named = {span for span in _spans(page) if FILE.fullmatch(span) and "..." not in span}
    assert [name for name in sorted(named - FILES_OF_STATE - FILES_OF_WCS) if not _is_a_source(name)] == []


@every_page
def test_programs_that_are_named_are_there(page: Path) -> None:
    named = set(PROGRAM.findall(page.read_text()))
    assert [name for name in sorted(named) if not _is_a_program(name)] == []


@every_page
def test_settings_that_are_named_exist(page: Path) -> None:
    named = {span.partition("=")[0] for span in _spans(page) if SETTING.fullmatch(span) and not FILE.fullmatch(span)}
    assert named - NOT_SETTINGS - TABLE.keys() - WITHOUT_EFFECT.keys() - {*KEYSTORES} == set()


@every_page
def test_lines_of_settings_files_are_settings(page: Path) -> None:
    lines = re.findall(r"^ {4}([a-z_.]+) ?= ?\S", page.read_text(), re.MULTILINE)
    assert set(lines) - TABLE.keys() == set()


@every_page
def test_texts_for_clients_are_those_of_the_sdk(page: Path) -> None:
    said = {span for span in _spans(page) if re.match(r"(Failed|Stopped|Terminated) (by|to) ", span)}
    assert said - set(StreamInfo) == set()


@every_page
def test_diagrams_hold_no_semicolon(page: Path) -> None:
    """Mermaid takes it for the end of a line, and shows an error in the place of the picture."""
    diagrams = [text for language, text in FENCED.findall(page.read_text()) if language == "mermaid"]
    assert [line for diagram in diagrams for line in diagram.splitlines() if ";" in line] == []


def test_settings_are_seen_in_the_pages() -> None:
    """The patterns above find what they are to check."""
    operating = set(_spans(DOCS / "operating.md"))
    assert {"ws.port", "rest.terminate_all=deny", "max_sessions_per_address"} <= operating
    assert all(SETTING.fullmatch(name) for name in ("ws.port", "rest.terminate_all=deny", "max_sessions_per_address"))


def test_decisions_are_numbered_and_listed() -> None:
    decisions = sorted(path.name for path in (DOCS / "adr").glob("[0-9]*.md"))
    assert [int(name.partition("-")[0]) for name in decisions] == list(range(1, len(decisions) + 1))
    assert sorted(set(_links(DOCS / "adr" / "README.md"))) == decisions
    for name in decisions:
        title = (DOCS / "adr" / name).read_text().partition("\n")[0]
        assert title.startswith(f"# {name.partition('-')[0]}: ")


def _links(page: Path) -> list[str]:
    """The links of a page to other pages and places of the project."""
    return [link for link in LINK.findall(_prose(page)) if "://" not in link]


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _spans(page: Path) -> Iterator[str]:
    """What stands between backticks; of a command its first word, where that names a file."""
    for span in SPAN.findall(_prose(page)):
        first = "".join(takewhile(lambda character: character != " ", span))
        yield first if first.startswith("bin/") else span


def _prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCED.sub("", page.read_text())


def _is_a_program(name: str) -> bool:
    """Whether the name is one of a module of the project."""
    path = ROOT.joinpath(*name.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py", path / "__main__.py")
    return any(file.exists() for file in files)


def _is_a_source(name: str) -> bool:
    """Whether the name is a path of the project, or the end of one (`hooks/queue.py`)."""
    if (ROOT / name).exists():
        return True
    parts = Path(name).parts
    return any(path.parts[-len(parts) :] == parts for path in SOURCES)

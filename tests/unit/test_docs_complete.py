"""The documentation lists all that there is: pages, sections, decisions, files, libraries, events, settings."""

import re
from pathlib import Path

import pytest

from actors.storage.state_folder import StateFolder
from config.setting import Setting
from config.settings import TABLE
from protocol.node.server_events import EventType
from tests.bench.endurance.chaos.attackers import ATTACKERS
from tests.run import LONG

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
MANY_SECTIONS = 9
"""So many, and a page begins with a list of them."""
AT_LISTENERS = ("_address", "_port", "_proxy_protocol", "media_port_from", "media_port_to", "port_from")
"""How the names of settings end that the guide calls addresses and ports, and the PROXY protocol."""

pages = pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)


@pages
def test_the_readme_leads_to_every_page(page: Path) -> None:
    assert f"](docs/{page.name})" in (ROOT / "README.md").read_text()


@pages
def test_lists_of_sections_are_complete(page: Path) -> None:
    beginning, *rest = re.split(r"^## ", page.read_text(), flags=re.MULTILINE)
    listed = re.findall(r"\]\(#([^)]+)\)", "".join(re.findall(r"^- .*$", beginning, re.MULTILINE)))
    sections = [_anchor(section.partition("\n")[0]) for section in rest]
    assert listed or len(sections) < MANY_SECTIONS
    assert [section for section in sections if listed and section not in listed] == []


def test_decisions_are_listed_under_their_titles() -> None:
    listed = re.findall(r"^\| \[(\d+)\]\(\S+\) \| (.*) \|$", (DOCS / "adr/README.md").read_text(), re.MULTILINE)
    titles = [path.read_text().partition("\n")[0] for path in sorted((DOCS / "adr").glob("[0-9]*.md"))]
    assert [f"# {number}: {title}" for number, title in listed] == titles


def test_every_file_of_the_state_folder_is_listed() -> None:
    folder = StateFolder(Path("/state"))
    paths = [getattr(folder, name) for name, kind in vars(StateFolder).items() if isinstance(kind, property)]
    assert len(paths) > 10
    told = re.findall(r"`([^`]+)`", _section("The state folder"))
    assert [path.name for path in paths if not {path.name, f"{path.name}/"} & set(told)] == []


def test_every_event_is_listed() -> None:
    told = re.findall(r"`([^`]+)`", "".join(re.findall(r"^\| (.*?) \|", _section("Events"), re.MULTILINE)))
    assert sorted(told) == sorted([*EventType, "gap", "bye"])


def test_every_setting_that_waits_for_a_restart_is_named() -> None:
    told = re.search(r"Only a restart changes(.*?)\. ", _section("Settings").replace("\n", " "))
    assert told
    named = set(re.findall(r"`([^`]+)`", told[1]))
    assert {key for key in named if TABLE[key].live} == set()
    assert {key for key, known in TABLE.items() if not known.live and not _is_of_a_listener(known)} <= named


def test_every_library_is_explained() -> None:
    wanted = re.findall(r"^([A-Za-z][\w-]*)", (ROOT / "requirements.in").read_text(), re.MULTILINE)
    assert "trio" in wanted
    text = (DOCS / "architecture.md").read_text()
    section = text[text.index("\n## Libraries") : text.index("\n## Tests")]
    explained = {
        name for names in re.findall(r"^\| (.*?) \|", section.lower(), re.MULTILINE) for name in names.split(", ")
    }
    assert {name.lower() for name in wanted} - explained == set()


def test_every_long_test_is_named() -> None:
    (line,) = re.findall(r"^    bin/test long \[PART\.\.\.\] +# slow by nature: (.*)$", _contributing(), re.MULTILINE)
    assert line.split(", ") == list(LONG)


def test_every_tab_of_the_console_is_described() -> None:
    page = (ROOT / "actors/web/pages/console/index.html").read_text()
    tabs = re.findall(r'id="([a-z]+)-tab"', page.partition('id="try-panel"')[0])
    assert "streams" in tabs
    rows = re.findall(r"^\| (.*?) \|", (DOCS / "console.md").read_text().lower(), re.MULTILINE)
    told = {name.partition(" ")[0] for names in rows for name in names.split(", ")}
    assert set(tabs) - told == set()


def test_every_attacker_is_described() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+) \| (.*) \|$", (DOCS / "security.md").read_text(), re.MULTILINE)
    assert rows == [(name, kind.door, kind.what) for name, kind in ATTACKERS.items()]


def _contributing() -> str:
    return (ROOT / "CONTRIBUTING.md").read_text()


def _section(title: str) -> str:
    """A section of the operator's guide."""
    text = (DOCS / "operating.md").read_text()
    start = text.index(f"\n## {title}\n") + 1
    return text[start : text.index("\n## ", start)]


def _anchor(heading: str) -> str:
    """What GitHub calls it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _is_of_a_listener(known: Setting) -> bool:
    return known.attribute.endswith(AT_LISTENERS)

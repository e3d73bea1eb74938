"""The documentation names paths of REST and figures of the statistics that a running server has."""

import re
from pathlib import Path

from protocol.rest.unsupported import instead_of
from tests.support.servers.full_server import full_server
from tests.support.web.openapi import PATH

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
REST = re.compile(r"/rest-api/([A-Za-z]\w*(?:/\w+)*)")
NOT_DESCRIBED = {"/rest-api/lb"}
ONLY_IN_A_CLUSTER = ("cluster_", "relay_")


async def test_paths_that_are_named_exist(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server:
        described = (await server.rest.get(PATH)).raise_for_status().json()["paths"]
    known = {re.sub(r"/\{.*", "", path) for path in described} | NOT_DESCRIBED
    resources = {path.split("/")[2] for path in known if path.startswith("/rest-api/")}
    short = re.compile(rf"`/?((?:{'|'.join(sorted(resources))})/\w+(?:/\w+)*)`")
    named: dict[str, set[str]] = {}
    for page in PAGES:
        text = page.read_text()
        for method in {*REST.findall(text), *short.findall(text)}:
            named.setdefault(method.removesuffix("/NAME"), set()).add(page.name)
    assert {"stream/terminate", "pull/rtmp/pull", "data/broadcast"} <= named.keys()
    whole = named.keys() - resources  # `/rest-api/room/...` names several
    wrong = {method for method in whole if not {f"/rest-api/{method}", f"/rest-api/{method}.json"} & known}
    assert {method: named[method] for method in wrong if instead_of(method) is None} == {}


async def test_every_figure_to_watch_is_among_the_statistics(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server:
        figures = (await server.statistics()).keys()
    text = (ROOT / "docs/operating.md").read_text()
    section = text[text.index("\n## Statistics\n") : text.index("\n## Events\n")]
    told = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)))
    assert len(told) > 30
    assert [key for key in told if key not in figures and not key.startswith(ONLY_IN_A_CLUSTER)] == []

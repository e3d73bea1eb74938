"""The dashboard and the alert rules know the metrics by their names. tests/prometheus asks a real Prometheus."""

import re

import pytest

from protocol.metrics.families import BY_NAME, FamilyKind
from tests.support.servers.queries import alert_queries, dashboard_queries, panels

QUERIES = [*dashboard_queries(), *alert_queries()]
PARTS = ("_bucket", "_sum", "_count")
OF_PROMETHEUS = {"job", "instance"}


def family_of(word: str) -> str:
    """The family of a series: that of a histogram has three."""
    for part in PARTS:
        name = word.removesuffix(part)
        if name != word and name in BY_NAME and BY_NAME[name].kind is FamilyKind.HISTOGRAM:
            return name
    return word


@pytest.mark.parametrize("query", QUERIES)
def test_every_name_is_one_of_ours(query: str) -> None:
    words = re.findall(r"\bwcsd_\w+", query)
    names = {family_of(word) for word in words}
    assert names <= BY_NAME.keys()
    bare = {word for word in words if word == family_of(word)}
    assert all(BY_NAME[name].kind is not FamilyKind.HISTOGRAM for name in bare), "a histogram is asked for by its parts"
    labels = {"le", *OF_PROMETHEUS} | {label for name in names for label in BY_NAME[name].labels}
    used = {label.strip() for group in re.findall(r"\bby \(([^)]*)\)", query) for label in group.split(",")}
    used |= set(re.findall(r"(\w+)=~?\"", query))
    assert used <= labels
    assert all(f"rate({word}" in query or f"increase({word}" in query for word in words if word.endswith("_total"))


def test_everything_that_is_counted_of_calls_is_shown() -> None:
    shown = {family_of(word) for query in dashboard_queries() for word in re.findall(r"\bwcsd_\w+", query)}
    assert {name for name in BY_NAME if name.startswith(("wcsd_calls", "wcsd_sip_"))} <= shown


def test_panels_have_titles_of_their_own_and_do_not_overlap() -> None:
    titles = [(panel["title"], panel["type"]) for panel in panels()]
    assert len(titles) > 40
    cells = [
        (panel["gridPos"]["x"] + column, panel["gridPos"]["y"] + line)
        for panel in panels()
        for column in range(panel["gridPos"]["w"])
        for line in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert all(x < 24 for x, _ in cells)

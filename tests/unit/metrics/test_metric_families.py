"""The families of `/metrics`: names as Prometheus wants them, and a table in the documentation that says the same."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.core import CollectorRegistry, CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from protocol.metrics.families import FAMILIES, Family, FamilyKind
from protocol.metrics.histogram import Histogram
from protocol.metrics.labels import CAUSES, MAX_APPS, OTHER, AppLabels

ROOT = Path(__file__).resolve().parents[3]


class Names:
    """All families, as the library's registry looks at them."""

    def describe(self) -> Iterator[Metric]:
        for family in FAMILIES:
            kind = CounterMetricFamily if family.kind is FamilyKind.COUNTER else GaugeMetricFamily
            yield kind(family.name, family.meaning, labels=family.labels)

    collect = describe


def test_no_name_is_taken_twice_as_the_library_sees_it() -> None:
    CollectorRegistry().register(Names())


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_name_says_what_it_is(family: Family) -> None:
    assert re.fullmatch(r"wcsd(_[a-z]+)+", family.name)
    assert family.name.endswith("_total") == (family.kind is FamilyKind.COUNTER)
    assert not family.name.endswith(("_ms", "_count", "_sum", "_bucket"))
    assert family.meaning


def test_the_documentation_lists_every_family() -> None:
    rows = re.findall(r"^\| `(wcsd_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", _operating(), re.MULTILINE)
    expected = [(each.name, str(each.kind), ", ".join(each.labels), each.meaning) for each in FAMILIES]
    assert rows == expected


def test_every_cause_in_the_code_is_a_label() -> None:
    found = set()
    for path in (ROOT / "actors").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "StopReason":
                values = (keyword.value for keyword in node.keywords if keyword.arg == "cause")
                found |= {value.value for value in values if isinstance(value, ast.Constant)}
    assert "client-closed" in found
    assert found - CAUSES == set()


def test_a_few_applications_have_labels_of_their_own() -> None:
    apps = AppLabels(lambda key: key.startswith("app"))
    keys = [f"app{number}" for number in range(MAX_APPS)]
    assert apps.of("made-up") == OTHER
    assert [apps.of(key) for key in keys] == keys
    assert apps.of("app-too-many") == OTHER
    assert apps.of(keys[0]) == keys[0]


def test_a_histogram_counts_up_to_each_bound() -> None:
    seen = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 7.0):
        seen.observe(value)
    assert list(seen.cumulative()) == [(1.0, 2), (2.0, 3), (None, 4)]
    assert (seen.count, seen.sum) == (4, 10.0)


def _operating() -> str:
    return (ROOT / "docs/operating.md").read_text()

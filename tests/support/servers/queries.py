"""The queries of the dashboard and of the alert rules in docs/examples."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parents[3] / "docs/examples"
DASHBOARD = EXAMPLES / "grafana-wcsd.json"
ALERTS = EXAMPLES / "wcsd-alerts.yml"

THRESHOLD = re.compile(r"^(.*) [<>] [0-9.]+$", re.DOTALL)


def panels() -> list[dict[str, Any]]:
    """Those that show something."""
    dashboard = json.loads(DASHBOARD.read_text())
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def dashboard_queries(window: str = "5m") -> Iterator[str]:
    """Each expression, as Grafana sends it for all servers; `window` in the place of its interval."""
    for panel in panels():
        for target in panel["targets"]:
            expression: str = target["expr"]
            yield expression.replace("$__rate_interval", window).replace("$job", ".*").replace("$instance", ".*")


def alert_queries(window: str | None = None) -> Iterator[str]:
    """What each rule compares with its threshold, if `window` is given over so short a time."""
    for expression in re.findall(r"^ *expr: (.*)$", ALERTS.read_text(), re.MULTILINE):
        compared = THRESHOLD.match(expression)
        assert compared, f"no threshold: {expression}"
        yield compared[1] if window is None else re.sub(r"\[\w+\]", f"[{window}]", compared[1])

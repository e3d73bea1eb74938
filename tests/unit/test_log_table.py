"""docs/operating.md lists every line that the log can have, with its level, and no other."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEVELS = ("info", "warning", "error")

KINDS = ("stream", "session", "room", "call")
COMPUTED: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {
    ("actors/hooks/call_log.py", "'hook'"): {"info": ("hook",)},
    ("actors/node/drain.py", "event"): {
        "info": (
            "draining: no new publications are taken",
            "the drain is cancelled: publications are taken again",
            "the drain is over",
        )
    },
    ("actors/node/supervisor.py", "event"): {
        "error": tuple(f"{kind} {how}" for kind in KINDS for how in ("crashed", "crashed at its end"))
    },
    ("actors/node/supervisor.py", "f'{kind} ended'"): {
        "info": tuple(f"{kind} ended" for kind in (*KINDS, "hook dispatcher", "stream keep-alive", "cluster link"))
    },
    ("actors/session/socket/receive_quota.py", "event"): {
        "warning": ("client is slowed down", "client holds too much")
    },
    ("actors/storage/app_store.py", "f'an application of this version was {what}'"): {
        "info": tuple(
            f"an application of this version was {what}"
            for what in ("added; 'wcs remove app' removes it for good", "not added: its name or key is taken")
        )
    },
    ("actors/web/http/admission.py", "event"): {
        "warning": ("too many connections: new ones are closed", "too many connections: idle ones go")
    },
    ("actors/web/refusals.py", "event or _EVENTS.get(HTTPStatus(error.status_hint), 'request not understood')"): {
        "warning": (
            "login refused",
            "login held back",
            "request refused",
            "request of an unknown path",
            "request found nothing",
            "request not carried out",
            "request not understood",
        )
    },
}
"""Events that are not written where they are logged: by file and expression, the texts by level."""
PASSED_ON = {("actors/runtime/logs.py", "event"), ("actors/node/bans.py", "now")}
"""What looks like a log call, and is none or passes one on."""
OF_THE_LOG_ITSELF = {"log lines lost": "warning", "log line cannot be written": "error"}
NAMED = {"NOT_FROM_PROXY": "connection without the PROXY protocol closed"}


def calls() -> Iterator[tuple[str, str, ast.expr]]:
    """Each call of a logger: file, level, and the event as it is written there."""
    for path in sorted((ROOT / "actors").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = str(path.relative_to(ROOT))
            if isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                yield name, node.func.attr, node.args[0]
            elif isinstance(node.func, ast.IfExp) and "log." in ast.unparse(node.func):
                yield name, "info", ast.Name(id=repr(ast.literal_eval(node.args[0])))


def events() -> dict[str, set[str]]:
    """Every event of the code, and its levels."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for event, level in OF_THE_LOG_ITSELF.items():
        found[event].add(level)
    for path, level, expression in calls():
        text = ast.unparse(expression)
        if isinstance(expression, ast.Constant):
            found[str(expression.value)].add(level)
        elif text in NAMED:
            found[NAMED[text]].add(level)
        elif (path, text) not in PASSED_ON:
            assert (path, text) in COMPUTED, f"{path} logs {text}: say in this test which events that can be"
            for event in COMPUTED[path, text][level]:
                found[event].add(level)
    return dict(found)


def documented() -> dict[str, set[str]]:
    """The events of the table, and their levels."""
    text = (ROOT / "docs/operating.md").read_text()
    section = text[text.index("\n## Logs") : text.index("\n## Statistics")]
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in re.findall(r"^\| (`.*)\|$", section, re.MULTILINE):
        names, levels, *_ = row.split(" | ")
        for event in re.findall(r"`([^`]+)`", names):
            found[event] |= set(levels.split(", "))
    return dict(found)


def test_the_table_of_log_lines_is_complete() -> None:
    code, table = events(), documented()
    assert sorted(code.keys() - table.keys()) == []
    assert sorted(table.keys() - code.keys()) == []


def test_levels_are_as_documented() -> None:
    code, table = events(), documented()
    assert {event: levels for event, levels in code.items() if not levels <= table[event]} == {}


def test_what_is_said_here_of_the_code_is_true() -> None:
    """Else this test would keep events alive that are gone."""
    seen = {(path, ast.unparse(expression)) for path, _, expression in calls()}
    assert {*COMPUTED, *PASSED_ON} <= seen

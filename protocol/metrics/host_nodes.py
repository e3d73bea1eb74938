"""What several nodes of one machine have measured, as one answer. Nodes are known by their numbers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

Groups = Mapping[str, Mapping[str, int | str]]
"""Group -> key -> value, as `/?action=stat` shows them."""

LARGEST: Final = frozenset(
    {"loop_lag_ms", "wake_up_interval_us", "drain_seconds_left", "cluster_nodes", "cluster_names"}
)
"""Of these the largest value counts, in place of the sum."""
SMALLEST: Final = frozenset({"certificate_days_left", "cluster_up"})
MACHINE: Final = frozenset({"system_memory_total", "system_memory_free"})
"""The same on all nodes."""
SUMMED_TEXTS: Final = frozenset({"system_java_cpu_usage"})
"""Numbers that are written as text."""
SAMPLE_REACH_MS: Final = 3_000
"""How far apart two samples may have been taken that are shown as one."""


def merged_statistics(nodes: Sequence[Groups]) -> Groups:
    """The sums over all nodes; texts, and what the first one alone has, are those of the first."""
    first, *others = nodes
    return {
        group: {
            key: _merged(key, value, [each.get(group, {}).get(key) for each in others]) for key, value in values.items()
        }
        for group, values in first.items()
    }


def _merged(key: str, own: int | str, others: Iterable[int | str | None]) -> int | str:
    if key in SUMMED_TEXTS:
        return f"{float(own) + sum(float(each) for each in others if each is not None):.1f}"
    numbers = [each for each in others if isinstance(each, int)]
    if not isinstance(own, int) or key in MACHINE:
        return own
    if key in LARGEST:
        return max([own, *numbers])
    return min([own, *numbers]) if key in SMALLEST else own + sum(numbers)


def labelled_metrics(nodes: Mapping[int, str]) -> str:
    """The metrics of all nodes in the text format, each sample with the label `node`; a family's samples together."""
    families: dict[str, list[str]] = {}
    for node, text in nodes.items():
        head = ""
        for line in text.splitlines():
            if line.startswith("# HELP "):
                head = line.split(" ", 3)[2]
            family = families.setdefault(head, [])
            if not line.startswith("#"):
                family.append(_with_node(line, node))
            elif line not in family[:2]:
                family.append(line)
    return "".join(f"{line}\n" for family in families.values() for line in family)


def _with_node(sample: str, node: int) -> str:
    name, brace, rest = sample.partition("{")
    if brace and " " not in name:
        return f'{name}{{node="{node}",{rest}'
    name, _, value = sample.partition(" ")
    return f'{name}{{node="{node}"}} {value}'


def merged_overview(nodes: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Totals and samples of all nodes, and the alarms of each; the samples are those of the first, with the others'."""
    first, *others = nodes.values()
    return {
        "uptime": max(each["uptime"] for each in nodes.values()),
        "samples": [_merged_sample([sample, *_nearest(sample, others)]) for sample in first["samples"]],
        "alarms": list(_alarms(nodes)),
    }


def _nearest(sample: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    for other in others:
        near = min(other["samples"], key=lambda each: abs(each["time"] - sample["time"]), default=None)
        if near is not None and abs(near["time"] - sample["time"]) <= SAMPLE_REACH_MS:
            yield near


def _merged_sample(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts and rates are summed; of loss and delays the worst counts, of round trips the mean."""
    trips = [each["rtt"] for each in samples if each["rtt"] is not None]
    calls = [each["hooks"] for each in samples if each["hooks"] is not None]
    worst = {
        key: max((each[key] for each in samples if each[key] is not None), default=None)
        for key in ("loss", "hook_p95", "loop_p99")
    }
    return {
        **samples[0],
        **{key: sum(each[key] for each in samples) for key in ("published", "played", "kbps_in", "kbps_out")},
        **worst,
        "rtt": round(sum(trips) / len(trips)) if trips else None,
        "hooks": round(sum(calls), 1) if calls else None,
    }


def _alarms(nodes: Mapping[int, Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    """What all nodes say is said once; else the node is named."""
    said: dict[tuple[str, str], list[int]] = {}
    for node, overview in nodes.items():
        for alarm in overview["alarms"]:
            said.setdefault((alarm["kind"], alarm["text"]), []).append(node)
    for (kind, text), sayers in said.items():
        if len(sayers) == len(nodes):
            yield {"kind": kind, "text": text}
        else:
            yield from ({"kind": kind, "text": f"Node {node}: {text}"} for node in sayers)


def newest_first(lists: Iterable[Sequence[Mapping[str, Any]]], most: int) -> list[Mapping[str, Any]]:
    """The items of all lists by their `time`, the newest first, `most` of them."""
    return sorted((item for some in lists for item in some), key=lambda item: item["time"], reverse=True)[:most]

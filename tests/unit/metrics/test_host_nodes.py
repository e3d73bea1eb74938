"""What several nodes of one machine have measured, as one answer."""

from typing import Any

from protocol.metrics.host_nodes import Groups, labelled_metrics, merged_overview, merged_statistics, newest_first


def test_statistics_are_summed_but_for_what_no_sum_means_anything_of() -> None:
    one: Groups = {"stream": {"players": 3}, "load": {"loop_lag_ms": 5}, "tls": {"certificate_days_left": 30}}
    two: Groups = {"stream": {"players": 4}, "load": {"loop_lag_ms": 2}, "tls": {"certificate_days_left": 20}}
    machine: Groups = {
        "system": {"system_java_cpu_usage": "1.5", "system_memory_total": 9},
        "media": {"sender": "fast"},
    }
    assert merged_statistics([{**one, **machine}, {**two, **machine}]) == {
        "stream": {"players": 7},
        "load": {"loop_lag_ms": 5},
        "tls": {"certificate_days_left": 20},
        "system": {"system_java_cpu_usage": "3.0", "system_memory_total": 9},
        "media": {"sender": "fast"},
    }
    assert merged_statistics([one]) == one
    assert merged_statistics([one, {}]) == one


def test_metrics_get_the_label_of_their_node_and_families_stay_together() -> None:
    samples = 'a{app="x y",m="{}"} 1.0\na{app="z",m=""} 2.0\n'
    one = f"# HELP a first one\n# TYPE a counter\n{samples}# HELP b s\n# TYPE b gauge\nb 3.0\n"
    two = "# HELP a first one\n# TYPE a counter\n# HELP b s\n# TYPE b gauge\nb 4.0\n"
    assert labelled_metrics({0: one, 2: two}) == (
        "# HELP a first one\n# TYPE a counter\n"
        'a{node="0",app="x y",m="{}"} 1.0\na{node="0",app="z",m=""} 2.0\n'
        '# HELP b s\n# TYPE b gauge\nb{node="0"} 3.0\nb{node="2"} 4.0\n'
    )


def sample(time: int, **values: Any) -> dict[str, Any]:
    known = {"published": 1, "played": 0, "kbps_in": 100, "kbps_out": 0, "loss": None, "rtt": None}
    return {"time": time, **known, "hooks": None, "hook_p95": None, "loop_p99": None, **values}


def test_samples_that_were_taken_together_are_one() -> None:
    one = {"uptime": 5, "samples": [sample(1_000, rtt=10), sample(61_000, loss=1.0)], "alarms": []}
    two = {"uptime": 9, "samples": [sample(1_400, rtt=30, published=2, hooks=1.5), sample(9_000)], "alarms": []}
    told = merged_overview({0: one, 1: two})
    assert told["uptime"] == 9
    assert told["samples"][0] == sample(1_000, published=3, kbps_in=200, rtt=20, hooks=1.5)
    assert told["samples"][1] == sample(61_000, loss=1.0), "the other one has none of that time"


def test_an_alarm_of_all_is_said_once_and_others_name_their_node() -> None:
    expired, slow = {"kind": "certificate", "text": "expired"}, {"kind": "overload", "text": "slow"}
    one = {"uptime": 1, "samples": [], "alarms": [expired]}
    two = {"uptime": 1, "samples": [], "alarms": [expired, slow]}
    assert merged_overview({0: one, 1: two})["alarms"] == [expired, {"kind": "overload", "text": "Node 1: slow"}]


def test_lists_are_one_with_the_newest_first() -> None:
    items = [{"time": number} for number in range(5)]
    assert newest_first([items[::2], items[1::2]], 3) == [{"time": 4}, {"time": 3}, {"time": 2}]

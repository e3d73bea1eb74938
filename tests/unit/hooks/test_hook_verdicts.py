"""The matrix: kind of method x policy x what came back."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.hooks import (
    Allow,
    Answered,
    Deny,
    HookMethod,
    MethodConfig,
    NotSent,
    Outcome,
    RestClientConfig,
    RestOnError,
    RestPolicy,
    TimedOut,
    Unreachable,
    Verdict,
    Warn,
    answer_fault,
    is_failure,
    read_answer,
    reads_body,
    verdict,
)

SENT: dict[str, Any] = {
    "nodeId": "node@10.0.0.1", "sessionId": "/1.2.3.4:5/10.0.0.1:8443", "appKey": "defaultApp",
    "mediaSessionId": "id", "name": "public", "record": False, "width": 640,
}  # fmt: skip
LOG = MethodConfig()
FAIL = MethodConfig(rest_on_error=RestOnError.FAIL)
OK = Answered(status=200, body=dict(SENT))
FAILURES: list[Outcome] = [
    *(Answered(status=status) for status in (201, 204, 301, 302, 400, 401, 403, 404, 500, 503)),
    TimedOut(seconds=15.0),
    Unreachable(cause="refused"),
]
DIRECT = HookMethod.PUBLISH_STREAM
EVENT = HookMethod.STREAM_STATUS_EVENT
KEEP_ALIVE = HookMethod.STREAM_KEEP_ALIVE_EVENT
GO_ON = Allow(body=SENT)


def overwriting(*fields: str, on_error: RestOnError = RestOnError.LOG) -> MethodConfig:
    return MethodConfig(rest_policy=RestPolicy.OVERWRITE, rest_overwrite=frozenset(fields), rest_on_error=on_error)


def judge(method: HookMethod, config: MethodConfig, outcome: Outcome) -> Verdict:
    return verdict(method, config, outcome, SENT)


@pytest.mark.parametrize("method", [method for method in HookMethod if method is not HookMethod.CONNECT])
@pytest.mark.parametrize("config", [LOG, FAIL, overwriting("name"), overwriting("name", on_error=RestOnError.FAIL)])
@pytest.mark.parametrize("outcome", [OK, NotSent()])
def test_an_agreement_or_no_call_lets_everything_go_on(
    method: HookMethod, config: MethodConfig, outcome: Outcome
) -> None:
    assert judge(method, config, outcome) == GO_ON


@pytest.mark.parametrize("outcome", FAILURES)
@pytest.mark.parametrize("config", [LOG, FAIL, overwriting("name")])
def test_connect_is_declined_by_any_failure_whatever_the_policy(config: MethodConfig, outcome: Outcome) -> None:
    assert judge(HookMethod.CONNECT, config, outcome) == Deny(info="Restricted access")


@pytest.mark.parametrize("outcome", FAILURES)
@pytest.mark.parametrize("method", [method for method in HookMethod if method is not HookMethod.CONNECT])
@pytest.mark.parametrize("config", [LOG, overwriting("name")])
def test_under_log_nothing_is_stopped(method: HookMethod, config: MethodConfig, outcome: Outcome) -> None:
    assert judge(method, config, outcome) == GO_ON


@pytest.mark.parametrize("outcome", FAILURES)
@pytest.mark.parametrize("config", [FAIL, overwriting("name", on_error=RestOnError.FAIL)])
@pytest.mark.parametrize("method", [DIRECT, HookMethod.PLAY_STREAM, HookMethod.ON_DATA_EVENT, HookMethod.STOP_STREAM])
def test_under_fail_a_direct_call_is_denied(method: HookMethod, config: MethodConfig, outcome: Outcome) -> None:
    assert judge(method, config, outcome) == Deny(info="Restricted access")


@pytest.mark.parametrize("outcome", FAILURES)
@pytest.mark.parametrize("method", [EVENT, HookMethod.CONNECTION_STATUS_EVENT, HookMethod.DATA_STATUS_EVENT])
def test_under_fail_an_event_stands_and_the_client_is_warned(method: HookMethod, outcome: Outcome) -> None:
    judged = judge(method, FAIL, outcome)
    assert isinstance(judged, Warn)
    assert judged.info.startswith(f"{method}: backend ")


@pytest.mark.parametrize("outcome", FAILURES)
def test_a_keep_alive_stops_the_stream_on_403_alone(outcome: Outcome) -> None:
    judged = judge(KEEP_ALIVE, FAIL, outcome)
    if outcome == Answered(status=403):
        assert judged == Deny(info="Terminated by keep-alive")
    else:
        assert isinstance(judged, Warn)


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Answered(status=500), "StreamStatusEvent: backend answered 500"),
        (TimedOut(seconds=15), "StreamStatusEvent: backend did not answer in time"),
        (Unreachable(cause="10.0.0.7 port 80: refused"), "StreamStatusEvent: backend is not reachable"),
        (Answered(status=500, body={"info": "no more room"}), "no more room"),
    ],
)
def test_a_warning_says_what_a_client_may_know(outcome: Outcome, words: str) -> None:
    assert judge(EVENT, FAIL, outcome) == Warn(info=words)


@pytest.mark.parametrize(
    ("body", "info"),
    [
        ({"info": "bad token"}, "bad token"),
        ({"info": " a\x00b\r\nc\ud800 "}, "abc"),
        ({"info": "x" * 1000}, "x" * 256),
        ({"info": ""}, "Restricted access"),
        ({"info": "\n"}, "Restricted access"),
        ({"info": 5}, "Restricted access"),
        ({"message": "no"}, "Restricted access"),
        (None, "Restricted access"),
    ],
)
def test_the_backends_text_reaches_the_client_made_fit(body: dict[str, Any] | None, info: str) -> None:
    assert judge(DIRECT, FAIL, Answered(status=403, body=body)) == Deny(info=info)
    assert judge(HookMethod.CONNECT, LOG, Answered(status=403, body=body)) == Deny(info=info)


# -- overwriting ----------------------------------------------------------------------------------------------------


def test_only_listed_fields_are_overwritten_and_only_under_overwrite() -> None:
    answer = Answered(status=200, body={**SENT, "name": "real", "record": True})
    assert judge(DIRECT, LOG, answer) == GO_ON
    assert judge(DIRECT, overwriting("name"), answer) == Allow(body={**SENT, "name": "real"})
    assert judge(DIRECT, overwriting("name", "record"), answer) == Allow(body={**SENT, "name": "real", "record": True})
    assert judge(DIRECT, overwriting("info"), answer) == GO_ON


def test_a_listed_field_that_was_not_sent_is_added() -> None:
    answer = Answered(status=200, body={"info": "watched"})
    assert judge(EVENT, overwriting("info"), answer) == Allow(body={**SENT, "info": "watched"})


@pytest.mark.parametrize("key", ["nodeId", "sessionId", "appKey"])
def test_the_context_is_never_overwritten(key: str) -> None:
    answer = Answered(status=200, body={key: "forged"})
    assert judge(DIRECT, overwriting(key), answer) == GO_ON
    connected = judge(HookMethod.CONNECT, LOG, answer)
    assert isinstance(connected, Allow)
    assert connected.body == SENT


@pytest.mark.parametrize(
    ("key", "given_value", "taken"),
    [("name", 5, "5"), ("record", "true", True), ("width", "1280", 1280), ("width", 1280.0, 1280.0)],
)
def test_scalars_of_another_type_are_understood(key: str, given_value: object, taken: object) -> None:
    judged = judge(DIRECT, overwriting(key), Answered(status=200, body={key: given_value}))
    assert judged == Allow(body={**SENT, key: taken})


@pytest.mark.parametrize(
    ("key", "value"),
    [("record", "yes"), ("record", 1), ("width", "wide"), ("width", True)],
)
def test_a_value_that_does_not_fit_is_left_out_with_a_warning(key: str, value: object) -> None:
    judged = judge(DIRECT, overwriting(key), Answered(status=200, body={key: value}))
    assert judged == Allow(body=SENT, warnings=(f"{key} is not overwritten: the answer has another type",))


@pytest.mark.parametrize("name", [["x"], {"name": "x"}, True, False, 1.5, 2**60])
def test_a_stream_that_is_given_a_name_that_is_none_is_denied(name: object) -> None:
    answer = Answered(status=200, body={"name": name})
    warnings = ("denied: the name in the answer is none",)
    assert judge(DIRECT, overwriting("name"), answer) == Deny(info="Restricted access", warnings=warnings)
    assert judge(DIRECT, overwriting("record"), answer) == GO_ON
    assert isinstance(judge(EVENT, overwriting("name"), answer), Allow)


@pytest.mark.parametrize("config", ["FAIL", {"publishStream": "FAIL"}, {"publishStream": {"restOnError": True}}])
def test_connect_is_declined_for_a_config_of_a_wrong_type(config: object) -> None:
    outcome = Answered(status=200, body={"restClientConfig": config})
    assert judge(HookMethod.CONNECT, LOG, outcome) == Deny(info="Restricted access")
    assert is_failure(HookMethod.CONNECT, outcome)
    assert (answer_fault(HookMethod.CONNECT, outcome) or "").startswith("restClientConfig")
    assert answer_fault(DIRECT, outcome) is None


def test_a_null_overwrites_nothing() -> None:
    assert judge(DIRECT, overwriting("name"), Answered(status=200, body={"name": None})) == GO_ON


@pytest.mark.parametrize("content", [b"", b"  \r\n", b"<html>", b"[1]", b'"name"', b"NaN", b"\xff\xfe\x00"])
def test_under_overwrite_an_unusable_answer_overwrites_nothing(content: bytes) -> None:
    judged = judge(DIRECT, overwriting("name", on_error=RestOnError.FAIL), read_answer(200, content))
    assert isinstance(judged, Allow)
    assert judged.body == SENT
    assert judged.warnings[0].startswith("nothing to overwrite: ")


# -- connect ----------------------------------------------------------------------------------------------------


def test_connect_takes_over_what_the_backend_injects_and_keeps_the_config_apart() -> None:
    policies = {"publishStream": {"restOnError": "FAIL"}}
    judged = judge(HookMethod.CONNECT, LOG, Answered(status=200, body={"sipLogin": "7", "restClientConfig": policies}))
    expected = RestClientConfig({DIRECT: FAIL})
    assert judged == Allow(body={**SENT, "sipLogin": "7"}, config=expected)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]"])
def test_connect_may_be_answered_with_nothing(content: bytes) -> None:
    judged = judge(HookMethod.CONNECT, LOG, read_answer(200, content))
    assert judged == Allow(body=SENT, config=RestClientConfig())


@pytest.mark.parametrize("content", [b"<br>Warning", b"[1]", b"OK", b'{"restClientConfig":'])
def test_connect_is_declined_if_the_config_may_be_lost(content: bytes) -> None:
    outcome = read_answer(200, content)
    assert is_failure(HookMethod.CONNECT, outcome)
    assert judge(HookMethod.CONNECT, LOG, outcome) == Deny(info="Restricted access")
    assert not is_failure(DIRECT, outcome)


def test_mistakes_in_the_config_are_warned_of() -> None:
    judged = judge(HookMethod.CONNECT, LOG, Answered(status=200, body={"restClientConfig": {"publish": {}}}))
    assert isinstance(judged, Allow)
    assert judged.warnings == ("restClientConfig: unknown method 'publish' (did you mean 'publishStream'?)",)


# -- reading answers ---------------------------------------------------------------------------------------------------


def test_a_byte_order_mark_is_no_obstacle() -> None:
    assert read_answer(200, b'\xef\xbb\xbf{"name":"x"}').body == {"name": "x"}


@pytest.mark.parametrize("content", [b'{"a":' * 100_000, b'{"a":[' + b"[]," * 300_000 + b"[]]}"])
def test_an_answer_with_too_many_values_is_not_built(content: bytes) -> None:
    answer = read_answer(200, content)
    assert answer.body is None
    assert answer.parse_error is not None
    assert answer.parse_error.startswith("the body cannot be taken: ")
    assert isinstance(verdict(HookMethod.CONNECT, LOG, answer, SENT), Deny)


@pytest.mark.parametrize(
    ("method", "config", "status", "reads"),
    [
        (HookMethod.CONNECT, LOG, 200, True),
        (HookMethod.CONNECT, LOG, 500, True),
        (HookMethod.PUBLISH_STREAM, LOG, 200, False),
        (HookMethod.PUBLISH_STREAM, LOG, 403, False),
        (HookMethod.PUBLISH_STREAM, FAIL, 200, False),
        (HookMethod.PUBLISH_STREAM, FAIL, 403, True),
        (HookMethod.STREAM_STATUS_EVENT, MethodConfig(rest_policy=RestPolicy.OVERWRITE), 200, True),
        (HookMethod.STREAM_STATUS_EVENT, MethodConfig(rest_policy=RestPolicy.OVERWRITE), 500, False),
    ],
)
def test_an_answer_is_read_where_it_can_change_something(
    method: HookMethod, config: MethodConfig, status: int, reads: bool
) -> None:
    assert reads_body(method, config, status) is reads
    if not reads:
        content = b'{"info":"no","name":"other"}'
        judged = [verdict(method, config, read_answer(status, content, reads=each), SENT) for each in (False, True)]
        assert judged[0] == judged[1]
        assert read_answer(status, b"[" * 1000, reads=False) == Answered(status=status)


@pytest.mark.parametrize("content", [b'{"a":' * 50, b'{"a":1e999}', b'{"a":NaN}', b"\xff", b'{"a":1'])
def test_what_others_could_not_read_is_no_json(content: bytes) -> None:
    assert read_answer(200, content).parse_error == "the body is not JSON"


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer(content: bytes) -> None:
    answer = read_answer(200, content)
    assert (answer.body is None) or isinstance(answer.body, dict)
    assert (answer.body is None) or answer.parse_error is None


@given(
    st.sampled_from(list(HookMethod)),
    st.dictionaries(
        st.sampled_from([*SENT, "info", "restClientConfig", "other"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2),
    ),
)
def test_whatever_is_answered_the_body_keeps_its_context_and_can_be_sent(
    method: HookMethod, answered: dict[str, Any]
) -> None:
    judged = verdict(method, overwriting(*answered), Answered(status=200, body=answered), SENT)
    if isinstance(judged, Deny):  # for a name, or a config, of a wrong type
        assert not isinstance(answered.get("name"), str | None) or answered.get("restClientConfig") is not None
        return
    assert isinstance(judged, Allow)
    assert {key: judged.body[key] for key in ("nodeId", "sessionId", "appKey")} == {
        key: SENT[key] for key in ("nodeId", "sessionId", "appKey")
    }
    assert type(judged.body["name"]) is str
    assert json.loads(json.dumps(judged.body)) == judged.body

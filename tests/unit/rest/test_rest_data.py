"""What a backend may ask to be sent to pages."""

import json
from typing import Any

import pytest

from protocol.node.filters import ConnectionFilter
from protocol.rest.errors import RestError
from protocol.rest.resources.data import parse_broadcast, parse_event, parse_send, parse_verbose


def body_of(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def refusal(parse: Any, body: bytes, *, max_size: int = 1000) -> RestError:
    with pytest.raises(RestError) as caught:
        parse(body, max_size=max_size)
    return caught.value


# -- send --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "ids"),
    [
        ({"sessionId": "a"}, ("a",)),
        ({"sessionIds": ["b", "a", "b"]}, ("b", "a")),
        ({"sessionId": "a", "sessionIds": ["b", "a"]}, ("a", "b")),
        ({"sessionIds": []}, ()),
    ],
)
def test_the_sessions_named_get_it_once_in_the_order_given(named: dict[str, Any], ids: tuple[str, ...]) -> None:
    asked = parse_send(body_of(operationId="o", payload={"n": 1}, nodeId="node1", **named), max_size=1000)
    assert asked.session_ids == ids
    assert (asked.data.operation_id, asked.data.payload, asked.node_id) == ("o", {"n": 1}, "node1")


@pytest.mark.parametrize("payload", [None, False, 0, "", [], {}, 1.5, {"a": [None]}])
def test_a_payload_is_any_json(payload: Any) -> None:
    assert parse_send(body_of(payload=payload, sessionId="a"), max_size=1000).data.payload == payload


def test_an_operation_id_may_be_left_out_or_a_number() -> None:
    assert parse_send(body_of(payload=1, sessionId="a"), max_size=9).data.operation_id is None
    assert parse_send(body_of(payload=1, sessionId="a", operationId=7), max_size=9).data.operation_id == "7"


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"payload": 1}, "sessionId"),
        ({"sessionId": "a"}, "payload"),
        ({"sessionId": "a", "payload": 1, "operationId": "o" * 257}, "operationId"),
        ({"sessionId": "a", "payload": 1, "operationID": "o"}, "operationID"),
        ({"sessionId": None, "payload": 1}, "sessionId"),
        ({"sessionIds": "a", "payload": 1}, "sessionIds"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(fields: dict[str, Any], key: str) -> None:
    fault = refusal(parse_send, body_of(**fields))
    assert (fault.status_hint, fault.key) == (400, key)


def test_a_number_beyond_json_is_refused() -> None:
    fault = refusal(parse_send, b'{"sessionId": "a", "payload": [1e999]}')
    assert (fault.status_hint, fault.key) == (400, "payload")


@pytest.mark.parametrize("text", ["x" * 98, "ж" * 49, "\ud83d"])
def test_a_payloads_size_is_that_of_compact_json_in_utf_8(text: str) -> None:
    size = len(f'"{text}"'.encode("utf-8", "surrogatepass"))
    body = body_of(sessionId="a", payload=text)
    assert parse_send(body, max_size=size).data.payload == text
    fault = refusal(parse_send, body, max_size=size - 1)
    assert (fault.status_hint, fault.setting) == (413, "data.max_size")


def test_verbose_is_a_flag_of_the_query_string() -> None:
    assert parse_verbose({"verbose": "true"}) is True
    assert parse_verbose({}) is parse_verbose({"verbose": "false"}) is False
    for wrong in ({"verbose": "yes"}, {"verbos": "true"}):
        with pytest.raises(RestError):
            parse_verbose(wrong)


# -- broadcast ---------------------------------------------------------------------------------------------------------


def test_a_broadcast_takes_the_conditions_of_connections_and_a_stream() -> None:
    asked = parse_broadcast(body_of(payload=1, appKey="chat", clientVersion="2.0", streamName="cam"), max_size=9)
    assert asked.filter == ConnectionFilter(app_key="chat", client_version="2.0")
    assert asked.stream_name == "cam"


def test_everybody_must_be_asked_for() -> None:
    asked = parse_broadcast(body_of(payload=1, all=True), max_size=9)
    assert asked.filter.is_everything
    assert asked.stream_name is None
    for fields in ({}, {"all": False}):
        fault = refusal(parse_broadcast, body_of(payload=1, **fields))
        assert (fault.status_hint, fault.key) == (400, "all")
        assert '"all": true' in fault.message


@pytest.mark.parametrize("condition", [{"streamName": "cam"}, {"appKey": "chat"}])
def test_everybody_and_a_condition_contradict_each_other(condition: dict[str, str]) -> None:
    fault = refusal(parse_broadcast, body_of(payload=1, all=True, **condition))
    assert (fault.status_hint, fault.key) == (400, "all")


@pytest.mark.parametrize(("parse", "to"), [(parse_broadcast, {"all": True}), (parse_event, {"streamName": "cam"})])
def test_what_multiplies_has_the_cap_of_events(parse: Any, to: dict[str, Any]) -> None:
    fault = refusal(parse, body_of(payload="x" * 99, **to), max_size=100)
    assert (fault.status_hint, fault.setting) == (413, "max_stream_event_size")


# -- stream events -----------------------------------------------------------------------------------------------------


def test_a_stream_event_names_its_stream() -> None:
    asked = parse_event(body_of(payload={"n": 1}, streamName="cam"), max_size=100)
    assert (asked.stream_name, asked.payload) == ("cam", {"n": 1})
    assert refusal(parse_event, body_of(payload=1)).key == "streamName"
    assert refusal(parse_event, body_of(streamName="cam")).key == "payload"

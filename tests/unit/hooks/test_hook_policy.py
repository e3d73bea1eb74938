"""restClientConfig: read field by field, with defaults and warnings, whatever a backend sends."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.hooks import (
    DEFAULT_METHOD_CONFIG,
    HookKind,
    HookMethod,
    MethodConfig,
    RestClientConfig,
    RestOnError,
    RestPolicy,
    apply_client_exclude,
    apply_rest_exclude,
)
from protocol.hooks.policy import WrongType

KEEP_ALIVE_OF_THE_PAGES = {
    "clientExclude": "",
    "restExclude": "sdp",
    "restOnError": "FAIL",
    "restPolicy": "NOTIFY",
    "restOverwrite": "",
}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=20), children, max_size=4),
    max_leaves=12,
)


WRONG_CHOICES: list[object] = [5, True, ["FAIL"], {"FAIL": 1}]
WRONG_LISTS: list[object] = [5, True, [5], {"sdp": True}]
WRONG_METHODS: list[object] = ["FAIL", 0, True, [{}]]


def read(value: object) -> tuple[RestClientConfig, tuple[str, ...]]:
    return RestClientConfig.parse(value)


def test_the_keep_alive_policy_of_the_pages() -> None:
    config, warnings = read({"StreamKeepAliveEvent": KEEP_ALIVE_OF_THE_PAGES})
    assert warnings == ()
    assert config.for_method(HookMethod.STREAM_KEEP_ALIVE_EVENT) == MethodConfig(
        rest_exclude=frozenset({"sdp"}), rest_on_error=RestOnError.FAIL
    )


@pytest.mark.parametrize("absent", [None, {}, [], {"publishStream": []}])
def test_without_a_config_every_method_has_the_default(absent: object) -> None:
    config, warnings = read(absent)
    assert warnings == ()
    assert {config.for_method(method) for method in HookMethod} == {DEFAULT_METHOD_CONFIG}
    assert DEFAULT_METHOD_CONFIG.rest_on_error is RestOnError.LOG
    assert DEFAULT_METHOD_CONFIG.rest_policy is RestPolicy.NOTIFY


@pytest.mark.parametrize("names", ["a," * 500_000, ["a"] * 500_000])
def test_a_list_that_names_too_many_fields_is_refused(names: object) -> None:
    with pytest.raises(WrongType, match=r"publishStream\.restExclude names more than 100 fields"):
        read({"publishStream": {"restExclude": names}})


def test_a_list_may_name_every_field_that_there_is() -> None:
    config, warnings = read({"publishStream": {"restExclude": ",".join(map(str, range(100)))}})
    assert warnings == ()
    assert len(config.for_method(HookMethod.PUBLISH_STREAM).rest_exclude) == 100


def test_a_field_that_is_missing_takes_its_own_default() -> None:
    config, warnings = read({"publishStream": {"restOnError": "FAIL"}})
    assert warnings == ()
    assert config.for_method(HookMethod.PUBLISH_STREAM) == MethodConfig(rest_on_error=RestOnError.FAIL)


@pytest.mark.parametrize("spelling", ["DISABLE", "DISABLED", "disabled", " Disable "])
def test_disable_is_spelled_in_several_ways(spelling: str) -> None:
    config, warnings = read({"playStream": {"restPolicy": spelling}})
    assert warnings == ()
    assert config.for_method(HookMethod.PLAY_STREAM).rest_policy is RestPolicy.DISABLE


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("", set()),
        ("name", {"name"}),
        ("sipLogin,sipPassword", {"sipLogin", "sipPassword"}),
        (" name , , sdp,", {"name", "sdp"}),
        (["name", "sdp "], {"name", "sdp"}),
        (None, set()),
    ],
)
def test_lists_of_fields(written: object, names: set[str]) -> None:
    config, warnings = read({"publishStream": {"clientExclude": written}})
    assert warnings == ()
    assert config.for_method(HookMethod.PUBLISH_STREAM).client_exclude == names


@pytest.mark.parametrize(
    ("value", "warning"),
    [
        ({"publishStrem": {}}, "restClientConfig: unknown method 'publishStrem' (did you mean 'publishStream'?)"),
        (
            {"publishStream": {"restOnEror": "FAIL"}},
            "restClientConfig: unknown field of publishStream 'restOnEror' (did you mean 'restOnError'?)",
        ),
        (
            {"publishStream": {"restOnError": "DENY"}},
            "restClientConfig: publishStream.restOnError is 'DENY', not one of LOG, FAIL",
        ),
        (
            {"publishStream": {"restPolicy": "ASK"}},
            "restClientConfig: publishStream.restPolicy is 'ASK', not one of NOTIFY, OVERWRITE, DISABLE",
        ),
        (
            {"publishStream": {"restOverwrite": "name"}},
            "restClientConfig: publishStream: restOverwrite has no effect without restPolicy OVERWRITE",
        ),
    ],
)
def test_what_is_not_known_is_warned_of_and_takes_its_default(value: object, warning: str) -> None:
    config, warnings = read(value)
    assert warnings == (warning,)
    method = config.for_method(HookMethod.PUBLISH_STREAM)
    assert (method.rest_on_error, method.rest_policy) == (RestOnError.LOG, RestPolicy.NOTIFY)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        *((value, "restClientConfig must be an object") for value in ("FAIL", 5, True, False, ["x"])),
        *(({"publishStream": value}, "restClientConfig: publishStream must be an object") for value in WRONG_METHODS),
        *(
            ({"publishStream": {"restOnError": value}}, "restClientConfig: publishStream.restOnError must be text")
            for value in WRONG_CHOICES
        ),
        ({"publishStream": {"restPolicy": ["DISABLE"]}}, "restClientConfig: publishStream.restPolicy must be text"),
        *(
            (
                {"publishStream": {"clientExclude": value}},
                "restClientConfig: publishStream.clientExclude must be a comma-separated list of field names",
            )
            for value in WRONG_LISTS
        ),
    ],
)
def test_a_value_of_a_wrong_type_is_refused_for_nobody_knows_what_it_was_to_forbid(value: object, error: str) -> None:
    with pytest.raises(WrongType, match=f"^{re.escape(error)}$"):
        read(value)


@pytest.mark.parametrize("value", [None, {}, [], "", {"publishStream": None}, {"publishStream": []}])
def test_nothing_in_any_spelling_is_the_default(value: object) -> None:
    assert read(value)[0].for_method(HookMethod.PUBLISH_STREAM) == DEFAULT_METHOD_CONFIG
    assert read(value)[1] == ()


def test_a_mistake_in_one_method_leaves_the_others_alone() -> None:
    config, warnings = read({"publishStream": {"restOnError": "???"}, "playStream": {"restOnError": "FAIL"}})
    assert len(warnings) == 1
    assert config.for_method(HookMethod.PLAY_STREAM).rest_on_error is RestOnError.FAIL


def test_methods_of_wcs_that_are_never_sent_are_no_mistakes() -> None:
    assert read({"call": {"restOnError": "FAIL"}, "OnCallEvent": {}, "sendDtmf": {}})[1] == ()


def test_a_flood_of_mistakes_is_cut_off() -> None:
    _, warnings = read({f"method{number}" * 50: {} for number in range(1000)})
    assert len(warnings) == 20
    assert max(len(warning) for warning in warnings) < 200


@given(st.dictionaries(st.sampled_from([*HookMethod, "nonsense"]), ANY_JSON) | ANY_JSON)
def test_no_value_breaks_the_reader(value: Any) -> None:
    try:
        config, _ = read(value)
    except WrongType:
        return
    assert all(isinstance(config.for_method(method), MethodConfig) for method in HookMethod)


def test_excluded_fields_are_taken_out_for_one_side_only() -> None:
    config = MethodConfig(client_exclude=frozenset({"name"}), rest_exclude=frozenset({"sdp"}))
    body = {"name": "real", "sdp": "v=0", "status": "PENDING"}
    assert apply_client_exclude(body, config) == {"sdp": "v=0", "status": "PENDING"}
    assert apply_rest_exclude(body, config) == {"name": "real", "status": "PENDING"}


def test_kinds_of_methods() -> None:
    assert HookMethod.CONNECT.kind is HookKind.CONNECT
    events = {method.value for method in HookMethod if method.kind is HookKind.EVENT}
    assert events == {
        "ConnectionStatusEvent",
        "StreamStatusEvent",
        "StreamKeepAliveEvent",
        "StreamEvent",
        "DataStatusEvent",
        "RecordingStatusEvent",
        "ServerStatusEvent",
        "CallStatusEvent",
        "RegistrationStatusEvent",
        "TransferStatusEvent",
        "hangup",
    }

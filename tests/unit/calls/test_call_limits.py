"""Limits against toll fraud, and what is told of calls."""

import pytest
from attrs import evolve

from protocol.calls.description import CallDescription, call_object
from protocol.calls.fraud_limits import DAY, CallLimits, CallParty, FraudLimits
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.life import STATUSES, CallState
from protocol.calls.statuses import CallStatus, status_of_end

WIDE = FraudLimits(
    calls_per_session=100,
    calls_per_app=100,
    calls_per_account=100,
    calls_in_all=100,
    attempts_per_minute=100,
    minutes_per_day=0,
)
PARTY = CallParty(session_id="s", app_key="a", account="alice@pbx", address="192.0.2.1")


@pytest.mark.parametrize(
    ("field", "setting"),
    [
        ("calls_per_session", "sip.max_calls_per_session"),
        ("calls_per_app", "sip.max_calls_per_app"),
        ("calls_per_account", "sip.max_calls_per_account"),
        ("calls_in_all", "sip.max_calls"),
    ],
)
def test_calls_at_once_are_limited_and_given_back(field: str, setting: str) -> None:
    limits = CallLimits(evolve(WIDE, **{field: 1}))
    ticket = limits.admit(PARTY, 0.0)
    with pytest.raises(CallRefused) as refused:
        limits.admit(PARTY, 0.0, incoming=True)
    assert (refused.value.info, refused.value.detail) == (CallInfo.TOO_MANY_CALLS, setting)
    assert limits.refused == {setting: 1}
    limits.give_back(ticket, 0.0, 0.0)
    limits.admit(PARTY, 0.0)
    assert limits.running == 1


def test_attempts_of_an_address_are_limited_calls_to_it_are_not() -> None:
    limits = CallLimits(evolve(WIDE, attempts_per_minute=2))
    for _ in range(2):
        limits.give_back(limits.admit(PARTY, 0.0), 0.0, 0.0)
    with pytest.raises(CallRefused, match=CallInfo.TOO_MANY_ATTEMPTS):
        limits.admit(PARTY, 0.0)
    limits.admit(PARTY, 0.0, incoming=True)
    limits.admit(evolve(PARTY, address="192.0.2.2"), 0.0)
    limits.admit(PARTY, 120.0)


def test_begun_minutes_of_a_day_are_counted() -> None:
    limits = CallLimits(evolve(WIDE, minutes_per_day=2))
    limits.give_back(limits.admit(PARTY, DAY, incoming=True), 600.0, DAY)
    limits.give_back(limits.admit(PARTY, DAY), 61.0, DAY)
    with pytest.raises(CallRefused) as refused:
        limits.admit(PARTY, DAY)
    assert refused.value.detail == "sip.max_minutes_per_day"
    limits.admit(evolve(PARTY, app_key="b"), DAY)
    limits.admit(PARTY, 2 * DAY)


def test_minutes_of_calls_that_are_not_over_count_too() -> None:
    limits = CallLimits(evolve(WIDE, minutes_per_day=2))
    ticket, _ = limits.admit(PARTY, DAY), limits.admit(PARTY, DAY)
    limits.answered(ticket, DAY)
    limits.answered(limits.admit(PARTY, DAY, incoming=True), DAY)
    limits.give_back(limits.admit(PARTY, DAY + 60), 0.0, DAY + 60)
    with pytest.raises(CallRefused) as refused:
        limits.admit(PARTY, DAY + 61)
    assert refused.value.detail == "sip.max_minutes_per_day"
    limits.give_back(ticket, 61.0, DAY + 61)
    with pytest.raises(CallRefused):
        limits.admit(PARTY, DAY + 61)


def test_other_limits_count_from_the_next_call_on() -> None:
    limits = CallLimits(WIDE)
    limits.admit(PARTY, 0.0)
    limits.change(evolve(WIDE, calls_in_all=1))
    with pytest.raises(CallRefused):
        limits.admit(PARTY, 0.0)


@pytest.mark.parametrize(
    ("sip_status", "was_up", "status"),
    [
        (200, True, CallStatus.FINISH),
        (500, True, CallStatus.FINISH),
        (486, False, CallStatus.BUSY),
        (600, False, CallStatus.BUSY),
        (603, False, CallStatus.FINISH),
        (487, False, CallStatus.FINISH),
        (404, False, CallStatus.FAILED),
        (503, False, CallStatus.FAILED),
    ],
)
def test_how_a_call_has_ended(sip_status: int, was_up: bool, status: CallStatus) -> None:
    assert status_of_end(sip_status, was_up=was_up) is status
    assert status.is_last


def test_each_state_but_the_last_has_a_status_that_is_no_end() -> None:
    assert set(STATUSES) == set(CallState) - {CallState.OVER}
    assert not any(status.is_last for status in STATUSES.values())


def test_a_call_is_shown_without_what_it_has_not() -> None:
    call = CallDescription(
        node_id="n",
        app_key="a",
        session_id="s",
        call_id="c",
        incoming=False,
        status=CallStatus.RING,
        caller="alice",
        callee="1000",
        custom={"any": 1},
    )
    shown = call_object(call)
    assert shown["status"] == "RING"
    assert shown["custom"] == {"any": 1}
    assert not {"sipStatus", "info", "visibleName", "sdp", "sipMessageRaw"} & set(shown)
    assert call_object(evolve(call, sip_status=180, info="why"))["sipStatus"] == 180

"""`expiresInMs` and `nextInMs` in the answer to a keep-alive."""

import json
from typing import Any

import pytest

from protocol.hooks import Allow, Answered, HookMethod, MethodConfig, RestOnError, RestPolicy, reads_body, verdict
from protocol.hooks.keep_alive_answer import NO_TERMS, KeepAliveTerms, read_terms

KEEP_ALIVE = HookMethod.STREAM_KEEP_ALIVE_EVENT


@pytest.mark.parametrize(
    ("body", "terms"),
    [
        ({}, NO_TERMS),
        (None, NO_TERMS),
        ({"expiresInMs": None, "nextInMs": None}, NO_TERMS),
        ({"expiresInMs": 90_000}, KeepAliveTerms(expires_in=90.0)),
        ({"expiresInMs": 0, "nextInMs": 1500.5}, KeepAliveTerms(expires_in=0.0, next_in=1.5005)),
        ({"expiresInMs": -5}, KeepAliveTerms(expires_in=0.0)),
        ({"nextInMs": 0}, KeepAliveTerms(next_in=0.1)),
        ({"nextInMs": 1e300}, KeepAliveTerms(next_in=30 * 86_400.0)),
    ],
)
def test_times_are_read_in_milliseconds_within_bounds(body: dict[str, Any] | None, terms: KeepAliveTerms) -> None:
    assert read_terms(body) == (terms, ())


@pytest.mark.parametrize("value", ["90000", True, [], {}, float("nan")])
@pytest.mark.parametrize("name", ["expiresInMs", "nextInMs"])
def test_what_is_no_number_is_ignored_with_a_warning(name: str, value: object) -> None:
    terms, warnings = read_terms({name: value})
    assert terms == NO_TERMS
    assert warnings == (f"{name} is ignored: it must be a number of milliseconds",)


@pytest.mark.parametrize("policy", [MethodConfig(), MethodConfig(rest_on_error=RestOnError.FAIL)])
def test_terms_count_in_an_answer_of_200_whatever_the_policy(policy: MethodConfig) -> None:
    body = {"name": "news", "expiresInMs": 1000}
    judged = verdict(KEEP_ALIVE, policy, Answered(status=200, body=body), {"name": "news"})
    assert judged == Allow(body={"name": "news"}, terms=KeepAliveTerms(expires_in=1.0))
    for status in (403, 500):
        refused = verdict(KEEP_ALIVE, policy, Answered(status=status, body=body), {})
        assert not isinstance(refused, Allow) or refused.terms == NO_TERMS


def test_answers_without_terms_are_not_parsed() -> None:
    content = json.dumps({"sdp": "v=0", "name": "news"}).encode()
    assert not reads_body(KEEP_ALIVE, MethodConfig(), 200, content)
    assert reads_body(KEEP_ALIVE, MethodConfig(), 200, b'{"nextInMs": 5}')
    assert not reads_body(HookMethod.STREAM_STATUS_EVENT, MethodConfig(), 200, b'{"nextInMs": 5}')
    assert reads_body(KEEP_ALIVE, MethodConfig(rest_policy=RestPolicy.OVERWRITE), 200, content)

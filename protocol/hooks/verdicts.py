"""Turns a backend's answer into a decision: the error matrix of the WCS page "Four types of REST methods".

                   answered 200        any other answer, or none
    connect        Allow               Deny
    direct         Allow               LOG: Allow    FAIL: Deny
    event          Allow               LOG: Allow    FAIL: Warn (the event stands, the client is told)
    keep-alive     Allow               LOG: Allow    FAIL: Deny on 403, else Warn

A backend that was not called (no such method in the application, policy DISABLE, hooks switched off) has agreed.
A 200 with an empty body agrees and overwrites nothing. So does one whose body is not a JSON object, except for
`connect`: there it would silently lose the `restClientConfig`, and with it every denial that the backend relies on.
For the same reason a wrong type never allows what the right type would have denied: in a `restClientConfig` it declines
the connection, and in the `name` that a backend assigns to a stream it denies the stream.
"""

from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from protocol.common.json_decoding import DecodeError, FieldError, parse_json, read_name
from protocol.hooks.answer_changes import restored
from protocol.hooks.keep_alive_answer import NO_TERMS, KeepAliveTerms, may_have_terms, read_terms
from protocol.hooks.methods import HookKind, HookMethod
from protocol.hooks.policy import MethodConfig, RestClientConfig, RestOnError, RestPolicy, WrongType

CONTEXT_FIELDS = frozenset({"nodeId", "sessionId", "appKey"})
"""The context fields of every hook, never overwritten by a backend."""

REST_CLIENT_CONFIG = "restClientConfig"
_ASK_AGAIN = frozenset({408, 425, 429})
"""Request Timeout, Too Early, Too Many Requests."""
RESTRICTED_ACCESS = "Restricted access"
TERMINATED_BY_KEEP_ALIVE = "Terminated by keep-alive"
NOT_JSON = "the body is not JSON"
MAX_INFO_LENGTH = 256
"""Characters of a backend's text that are passed to a client."""


# -- what came back ----------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Answered:
    """The backend answered. `body` is None if it was empty or not a JSON object; `parse_error` explains the latter."""

    status: int
    body: dict[str, Any] | None = field(default=None, repr=False)
    parse_error: str | None = None


@frozen(kw_only=True)
class TimedOut:
    """No complete answer arrived before the deadline, which was `seconds` long; or none was waited for."""

    seconds: float
    is_breaker_open: bool = False
    """The call was not made, because the backend's breaker is open."""


@frozen(kw_only=True)
class Unreachable:
    """The exchange failed: refused, reset, not HTTP, too large. `cause` is for the log, never for a client."""

    cause: str


@frozen(kw_only=True)
class NotSent:
    """The backend was deliberately not called."""


Outcome = Answered | TimedOut | Unreachable | NotSent


def reads_body(method: HookMethod, config: MethodConfig, status: int, content: bytes = b"") -> bool:
    """Whether the body of an answer can change anything. Most cannot and need not be parsed."""
    if method is HookMethod.CONNECT:
        return True
    if status == 200:
        has_terms = method is HookMethod.STREAM_KEEP_ALIVE_EVENT and may_have_terms(content)
        return has_terms or config.rest_policy is RestPolicy.OVERWRITE
    return config.rest_on_error is RestOnError.FAIL


def read_answer(status: int, content: bytes, *, reads: bool = True) -> Answered:
    """Read a backend's answer. Any content is accepted; if it is not a JSON object, `parse_error` says so.

    More values than `protocol.common.json_bounds` allows count as invalid JSON. Without `reads` content is ignored.
    """
    if not reads or not content.strip():
        return Answered(status=status)
    try:
        body = parse_json(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Answered(status=status, parse_error=NOT_JSON)
    except DecodeError as error:
        reason = error.faults[0].reason
        why = NOT_JSON if reason.startswith("not JSON") else f"the body cannot be taken: {reason}"
        return Answered(status=status, parse_error=why)
    if body == []:
        body = {}  # PHP's empty array
    if not isinstance(body, dict):
        return Answered(status=status, parse_error="the body is not a JSON object")
    return Answered(status=status, body=body)


# -- what happens ------------------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Allow:
    """Go on with `body`: what was sent, including the fields that the backend has overwritten."""

    body: dict[str, Any] = field(repr=False)
    config: RestClientConfig | None = None
    """The session's policies; only from `connect`."""
    warnings: tuple[str, ...] = ()
    """What was wrong with the answer, for the log."""
    terms: KeepAliveTerms = NO_TERMS
    """Only from a keep-alive."""


@frozen(kw_only=True)
class Deny:
    """Do not do it. `info` is for the client: the backend's text if it gave one."""

    info: str
    warnings: tuple[str, ...] = ()
    """What was wrong with the answer, for the log."""


@frozen(kw_only=True)
class Warn:
    """Go on as if nothing was wrong, and send the client `info` in an ErrorEvent."""

    info: str


Verdict = Allow | Deny | Warn


def verdict(method: HookMethod, config: MethodConfig, outcome: Outcome, sent_body: Mapping[str, Any]) -> Verdict:
    """Judge what came back for a hook.

    `sent_body` is the body before `restExclude`: fields hidden from the backend still go on.
    """
    match outcome:
        case NotSent():
            return Allow(body=dict(sent_body))
        case Answered(status=200) if answer_fault(method, outcome) is None:
            return _agreed(method, config, outcome, sent_body)
        case _:
            return _failed(method, config, outcome, sent_body)


def is_failure(method: HookMethod, outcome: Outcome) -> bool:
    """Whether this is an interaction error in the sense of the WCS pages: no answer, or one other than 200."""
    match outcome:
        case NotSent():
            return False
        case Answered(status=200):
            return answer_fault(method, outcome) is not None
        case _:
            return True


def is_final_answer(outcome: Outcome) -> bool:
    """Whether the backend has answered and, by its status code, would not answer otherwise if it were asked again."""
    return isinstance(outcome, Answered) and outcome.status < 500 and outcome.status not in _ASK_AGAIN


def answer_fault(method: HookMethod, answer: Answered) -> str | None:
    """Why an answer with status 200 is still a failure; None if it is not."""
    if method is not HookMethod.CONNECT:
        return None
    try:
        RestClientConfig.parse((answer.body or {}).get(REST_CLIENT_CONFIG))
    except WrongType as error:
        return str(error)
    return answer.parse_error


def _failed(method: HookMethod, config: MethodConfig, outcome: Outcome, sent_body: Mapping[str, Any]) -> Verdict:
    if method.kind is HookKind.CONNECT:
        return Deny(info=_info(outcome, RESTRICTED_ACCESS))
    if config.rest_on_error is RestOnError.LOG:
        return Allow(body=dict(sent_body))
    if method.kind is HookKind.DIRECT:
        return Deny(info=_info(outcome, RESTRICTED_ACCESS))
    if method is HookMethod.STREAM_KEEP_ALIVE_EVENT and isinstance(outcome, Answered) and outcome.status == 403:
        return Deny(info=TERMINATED_BY_KEEP_ALIVE)
    return Warn(info=_info(outcome, _describe(method, outcome)))


def _describe(method: HookMethod, outcome: Outcome) -> str:
    """Describe an event's failure to a client, without addresses or causes that reveal the backend's internals."""
    match outcome:
        case Answered(status=status):
            return f"{method}: backend answered {status}"
        case TimedOut():
            return f"{method}: backend did not answer in time"
        case _:
            return f"{method}: backend is not reachable"


def _info(outcome: Outcome, otherwise: str) -> str:
    """The `info` from the backend's refusal, cleaned up for a client."""
    given = outcome.body.get("info") if isinstance(outcome, Answered) and outcome.body is not None else None
    if not isinstance(given, str):
        return otherwise
    # However long it is, look only at its beginning.
    text = "".join(character for character in given[: 4 * MAX_INFO_LENGTH] if character.isprintable()).strip()
    return text[:MAX_INFO_LENGTH] or otherwise


# -- overwriting ------------------------------------------------------------------------------------------------------


def _agreed(method: HookMethod, config: MethodConfig, answer: Answered, sent_body: Mapping[str, Any]) -> Verdict:
    if method is HookMethod.CONNECT:
        return _connected(answer, sent_body)
    judged = _overwritten(method, config, answer, sent_body)
    if method is HookMethod.STREAM_KEEP_ALIVE_EVENT and isinstance(judged, Allow):
        terms, warnings = read_terms(answer.body)
        return evolve(judged, terms=terms, warnings=judged.warnings + warnings)
    return judged


def _overwritten(method: HookMethod, config: MethodConfig, answer: Answered, sent_body: Mapping[str, Any]) -> Verdict:
    if config.rest_policy is not RestPolicy.OVERWRITE:
        return Allow(body=dict(sent_body))
    if answer.body is None:
        why = answer.parse_error or "the body is empty"
        return Allow(body=dict(sent_body), warnings=(f"nothing to overwrite: {why}",))
    given = {key: answer.body[key] for key in config.rest_overwrite if key in answer.body}
    if method.kind is HookKind.DIRECT and not _is_name(given.get("name")):
        return Deny(info=RESTRICTED_ACCESS, warnings=("denied: the name in the answer is none",))
    return _merged(sent_body, given)


def _is_name(value: object) -> bool:
    try:
        return value is None or isinstance(read_name(value), str)
    except FieldError:
        return False


def _connected(answer: Answered, sent_body: Mapping[str, Any]) -> Allow:
    """`connect` overwrites without a list. Backends use this to inject what the client must not know."""
    body = answer.body or {}
    policies, warnings = RestClientConfig.parse(body.get(REST_CLIENT_CONFIG))
    allowed = _merged(sent_body, {key: value for key, value in body.items() if key != REST_CLIENT_CONFIG})
    return evolve(allowed, config=policies, warnings=warnings + allowed.warnings)


def _merged(sent_body: Mapping[str, Any], values: Mapping[str, Any]) -> Allow:
    body = dict(sent_body)
    warnings = []
    for key, value in values.items():
        before = body.get(key)
        changed = restored(before, value)
        if key in CONTEXT_FIELDS or value is None or changed is before:
            continue
        try:
            body[key] = _like(before, changed)
        except ValueError:
            warnings.append(f"{key} is not overwritten: the answer has another type")
    return Allow(body=body, warnings=tuple(warnings))


def _like(sample: object, value: object) -> object:
    """`value` converted to the type of `sample`, for backends that write 5 as "5" or "5" as 5. Raises ValueError."""
    if sample is None or type(value) is type(sample):
        return value
    if isinstance(sample, str) and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(sample, bool) and value in ("true", "false"):
        return value == "true"
    if isinstance(sample, int | float) and not isinstance(sample, bool):
        return _number(value)
    raise ValueError(value)


def _number(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    raise ValueError(value)

"""What a REST hook means: the methods, the policy that a backend sets for them, and the bodies that are sent.

A hook is a POST of JSON to the application's backend. `methods` says which there are and whether they can be denied,
`policy` reads the backend's `restClientConfig`, `verdicts` turns what came back into a decision, `bodies` builds what
is sent and `signature` signs it. Nothing here does I/O; `actors.hooks` does.
"""

from protocol.hooks.bodies import (
    HookContext,
    connect_body,
    connection_status_body,
    data_body,
    data_status_body,
    snapshot_body,
    stream_body,
    stream_end_body,
    stream_event_body,
)
from protocol.hooks.methods import HookKind, HookMethod
from protocol.hooks.policy import (
    DEFAULT_METHOD_CONFIG,
    MethodConfig,
    RestClientConfig,
    RestOnError,
    RestPolicy,
    apply_client_exclude,
    apply_rest_exclude,
)
from protocol.hooks.signature import signature
from protocol.hooks.verdicts import (
    Allow,
    Answered,
    Deny,
    NotSent,
    Outcome,
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

__all__ = [
    "DEFAULT_METHOD_CONFIG",
    "Allow",
    "Answered",
    "Deny",
    "HookContext",
    "HookKind",
    "HookMethod",
    "MethodConfig",
    "NotSent",
    "Outcome",
    "RestClientConfig",
    "RestOnError",
    "RestPolicy",
    "TimedOut",
    "Unreachable",
    "Verdict",
    "Warn",
    "answer_fault",
    "apply_client_exclude",
    "apply_rest_exclude",
    "connect_body",
    "connection_status_body",
    "data_body",
    "data_status_body",
    "is_failure",
    "read_answer",
    "reads_body",
    "signature",
    "snapshot_body",
    "stream_body",
    "stream_end_body",
    "stream_event_body",
    "verdict",
]

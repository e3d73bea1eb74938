"""The meaning of REST hooks: the methods, the policy that a backend sets for them, and the bodies sent.

A hook is a POST of JSON to the application's backend. `methods` lists them and says which can be denied, `policy` reads
the backend's `restClientConfig`, `bodies` builds requests, `signature` signs them, and `verdicts` turns answers into
decisions. Nothing here does I/O; `actors.hooks` does.
"""

from protocol.hooks.bodies import (
    HookContext,
    ServerStatus,
    connect_body,
    connection_status_body,
    data_body,
    data_status_body,
    recording_status_body,
    server_status_body,
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
    is_final_answer,
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
    "ServerStatus",
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
    "is_final_answer",
    "read_answer",
    "reads_body",
    "recording_status_body",
    "server_status_body",
    "signature",
    "snapshot_body",
    "stream_body",
    "stream_end_body",
    "stream_event_body",
    "verdict",
]

"""`traceparent` of hooks, after W3C Trace Context."""

import re
from hashlib import sha256

from protocol.hooks.trace_context import traceparent


def test_it_has_the_form_of_the_standard() -> None:
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-01", traceparent("d70883cf590bc025-1", 1))


def test_a_hook_is_a_trace_and_an_attempt_is_a_span() -> None:
    first, second = (traceparent("d70883cf590bc025-1", attempt).split(b"-") for attempt in (1, 2))
    other = traceparent("d70883cf590bc025-2", 1).split(b"-")
    assert first[1] == second[1] != other[1]
    assert len({first[2], second[2], other[2]}) == 3
    assert first[1].decode() == sha256(b"d70883cf590bc025-1").hexdigest()[:32]

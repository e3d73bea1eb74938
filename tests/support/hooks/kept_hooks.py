"""Hooks as they are kept in a file."""

from attrs import evolve

from protocol.hooks import HookMethod
from protocol.hooks.kept_hook import KeptHook

HOOK = KeptHook(
    number=1,
    app_key="shop",
    lane="s1",
    method=HookMethod.STREAM_STATUS_EVENT,
    hook_id="prefix-1",
    attempts=4,
    event_time=1000.5,
    last=False,
    content=b'{"custom":{"token":"s3cret"}}',
)


def hooks(count: int) -> list[KeptHook]:
    return [evolve(HOOK, number=number, event_time=float(number)) for number in range(1, count + 1)]

"""What waits before a backend is bounded by its size too: clients choose how large their events are."""

from typing import Any

import pytest

from actors.hooks.queue import MAX_SIZE, Backlog, HookQueue, Notification, body_size
from protocol.hooks import HookMethod

MEBIBYTE = 1024 * 1024


async def never(notification: Notification) -> None:
    pytest.fail("nothing is sent here")


def filled(queue: HookQueue, sizes: list[int], *, last: bool = False) -> None:
    for size in sizes:
        queue.notify(
            Notification(
                method=HookMethod.STREAM_EVENT,
                body={},
                session_id="s",
                last=last,
                size=size,
                queue=queue,
                send=never,
                on_verdict=lambda verdict: None,
            )
        )


def test_a_queue_drops_the_oldest_when_too_much_waits() -> None:
    dropped: list[Notification] = []
    backlog = Backlog(1000, on_drop=dropped.append)
    queue = HookQueue(backlog, limit=1000, start=lambda queue: None)
    filled(queue, [MEBIBYTE] * 40)
    assert len(backlog) == MAX_SIZE // MEBIBYTE
    assert len(dropped) == 40 - MAX_SIZE // MEBIBYTE
    assert backlog.dropped == len(dropped)


def test_what_tells_of_an_end_stays_while_anything_else_can_go() -> None:
    dropped: list[Notification] = []
    backlog = Backlog(1000, on_drop=dropped.append)
    queue = HookQueue(backlog, limit=1000, start=lambda queue: None)
    filled(queue, [10] * 5, last=True)
    filled(queue, [MEBIBYTE] * 40)
    assert backlog.dropped_last == 0
    assert all(not each.last for each in dropped)


def test_one_that_is_larger_than_the_bound_is_dropped_itself() -> None:
    backlog = Backlog(1000, on_drop=lambda notification: None)
    queue = HookQueue(backlog, limit=1000, start=lambda queue: None)
    filled(queue, [MAX_SIZE + 1])
    assert len(backlog) == 0
    filled(queue, [10])
    assert len(backlog) == 1


@pytest.mark.parametrize(
    ("body", "least"), [({"payload": "x" * 1000}, 1000), ({"payload": [{"a": "y" * 10}] * 50}, 500), ({}, 0), (5, 1)]
)
def test_the_size_of_a_body(body: Any, least: int) -> None:
    assert least <= body_size(body) <= 2 * least + 100

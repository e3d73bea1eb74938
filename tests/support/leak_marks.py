"""What there is in a process at one moment, to be compared with another: what cycles in between have left behind.

marks = [Mark.take(), ...]       # after a warm-up, for caches and the allocator's arenas fill at first
assert_nothing_left(*marks)
"""

import gc
from collections import Counter
from pathlib import Path

import psutil
import trio
from attrs import frozen
from OpenSSL import SSL

from actors.events.event_log import MAX_EVENTS, EventLog
from protocol.node.server_events import EventType

NOISE = 3_000_000
"""Bytes of resident memory. After 400 cycles, one DTLS connection of each is 35 MB, a pair of SRTP sessions 4 MB."""
LAZY = {"builtins.tuple", "trio.CancelScope", "trio._core._run.CancelReason", "actors.media.peer.deadline_heap._Entry"}
"""Entries of timer queues, with what they hold; the queues drop what was called off when there is enough of it."""


@frozen(kw_only=True)
class Mark:
    """What there is in the process, after a collection."""

    tasks: int
    descriptors: int
    connections: int
    objects: Counter[str]
    resident: int

    @classmethod
    def take(cls) -> "Mark":
        gc.collect()
        gc.collect()  # what finalizers of the first have left
        everything = gc.get_objects()
        return cls(
            tasks=trio.lowlevel.current_statistics().tasks_living,
            descriptors=len(list(Path("/proc/self/fd").iterdir())),
            connections=sum(isinstance(each, SSL.Connection) for each in everything),
            objects=Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in everything),
            resident=psutil.Process().memory_info().rss,
        )


def assert_nothing_left(warm: Mark, before: Mark, after: Mark, *, most: int = 20) -> None:
    """Between the last two nothing has grown, and what can be counted one by one is as after the first.

    `most` is how many objects of one class more are none: fewer than one in each cycle of a kind would leave.
    """
    assert (after.tasks, after.descriptors) == (warm.tasks, warm.descriptors)
    assert after.connections == 0
    grown = {name: more for name, more in (after.objects - before.objects).items() if more > most and name not in LAZY}
    assert not grown, f"objects left behind: {grown}"
    assert after.resident - before.resident < NOISE


def fill_history(events: EventLog) -> None:
    """The history of events keeps what has happened, up to a bound: from here on it is full."""
    for _ in range(MAX_EVENTS):
        events.emit(EventType.STREAM_ENDED, name="x" * 100, cause="x" * 100)


def spans(marks: tuple[int, ...]) -> list[int]:
    """How many cycles lie between a mark and the one before."""
    return [mark - before for mark, before in zip(marks, (0, *marks), strict=False)]

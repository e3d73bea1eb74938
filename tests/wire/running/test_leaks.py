"""A thousand publish, play and terminate cycles, with real DTLS and SRTP in each, leave nothing behind.

Server and clients run in one process, so both must be clean. What is compared are two marks after a warm-up, for caches
and the allocator's arenas fill at first.
"""

import gc
from collections import Counter
from functools import partial
from pathlib import Path

import psutil
import trio
import trio.testing
from attrs import field, frozen
from OpenSSL import SSL

from actors.events.event_log import MAX_EVENTS, EventLog
from protocol.node.server_events import EventType
from protocol.webrtc.dtls import DtlsContext
from tests.support.collection import no_collection, uncollected
from tests.support.full_server import FullServer, full_server
from tests.support.media_peer import MediaPeer
from tests.support.wcs_client import WcsClient, wcs_client

MARKS = (200, 600, 1000)
"""After so many cycles the process is looked at."""
WORKERS = 8
CYCLES_PER_SESSION = 5
NOISE = 3_000_000
"""Bytes of resident memory. One DTLS connection kept in each cycle would be 35 MB, a pair of SRTP sessions 4 MB."""
LAZY = {"builtins.tuple", "trio.CancelScope", "trio._core._run.CancelReason", "actors.media.peer.deadline_heap._Entry"}
"""Entries of timer queues, with what they hold; the queues drop what was called off when there is enough of it."""
CAP = 300.0
"""Seconds; only to end a test that hangs."""


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


@frozen(kw_only=True)
class Shared:
    """What all workers use: one certificate, which is slow to make, and one REST connection at a time."""

    server: FullServer
    context: DtlsContext = field(factory=DtlsContext.create)
    rest: trio.Lock = field(factory=trio.Lock)


def fill_history(events: EventLog) -> None:
    """The history of events keeps what has happened, up to a bound: from here on it is full."""
    for _ in range(MAX_EVENTS):
        events.emit(EventType.STREAM_ENDED, name="x" * 100, cause="x" * 100)


async def test_a_thousand_cycles_leave_nothing_behind(tmp_path: Path) -> None:
    with trio.fail_after(CAP):
        async with full_server(tmp_path) as server:
            fill_history(server.server.events)
            marks = [await mark_after(server, cycles) for cycles in spans(MARKS)]
    warm, before, after = marks
    assert (after.tasks, after.descriptors) == (warm.tasks, warm.descriptors)
    assert after.connections == 0
    grown = {name: more for name, more in (after.objects - before.objects).items() if more > 20 and name not in LAZY}
    assert not grown, f"objects left behind by {MARKS[2] - MARKS[1]} cycles: {grown}"
    assert after.resident - before.resident < NOISE


async def test_what_has_ended_waits_for_no_collection(tmp_path: Path) -> None:
    # A full collection is rare, for it halts the media: what only it can free makes memory grow until then.
    async with full_server(tmp_path) as server:
        shared = Shared(server=server)
        await work(shared, "stream", CYCLES_PER_SESSION)
        with no_collection():
            await work(shared, "stream", CYCLES_PER_SESSION * 2)
            await server.until_idle()
            await trio.testing.wait_all_tasks_blocked(0.02)
            left = uncollected()
    assert left == {}


async def mark_after(server: FullServer, cycles: int) -> Mark:
    """Look at the process after so many more cycles."""
    shared = Shared(server=server)
    async with trio.open_nursery() as nursery:
        for worker in range(WORKERS):
            nursery.start_soon(work, shared, f"stream{worker}", cycles // WORKERS)
    await server.until_idle()
    statistics = await server.statistics()
    assert {key: statistics[key] for key in ("addresses", "publishers", "players", "handshakes", "crashed")} == {
        "addresses": "0", "publishers": "0", "players": "0", "handshakes": "0", "crashed": "0"
    }  # fmt: skip
    await trio.testing.wait_all_tasks_blocked(0.02)  # the answer just read may be ahead of its task's end
    return Mark.take()


async def work(shared: Shared, name: str, cycles: int) -> None:
    for _ in range(cycles // CYCLES_PER_SESSION):
        async with wcs_client(shared.server.ws_url()) as publisher, wcs_client(shared.server.ws_url()) as player:
            for _ in range(CYCLES_PER_SESSION):
                await cycle(shared, publisher, player, name)


async def cycle(shared: Shared, publisher: WcsClient, player: WcsClient, name: str) -> None:
    """Publish, play, see one picture, terminate."""
    new_peer = partial(MediaPeer, context=shared.context)
    publication = await publisher.publish(name, peer=new_peer())
    playback = await player.play(name, peer=new_peer())
    publication.send_key_frame()
    await playback.until_media()
    async with shared.rest:
        assert (await shared.server.terminate(name=name, published=True)).is_success
    for stream, info in ((publication, "Stopped by rest /terminate"), (playback, "Stopped by publisher stop")):
        assert (await stream.status("FAILED"))["info"] == info
        await stream.until_closed()
        stream.leave()


def spans(marks: tuple[int, ...]) -> list[int]:
    """How many cycles lie between a mark and the one before."""
    return [mark - before for mark, before in zip(marks, (0, *marks), strict=False)]

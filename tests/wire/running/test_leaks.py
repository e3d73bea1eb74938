"""A thousand publish, play and terminate cycles, with real DTLS and SRTP in each, leave nothing behind.

Server and clients run in one process, so both must be clean. What is compared are two marks after a warm-up, for caches
and the allocator's arenas fill at first.
"""

from functools import partial
from pathlib import Path

import trio
import trio.testing
from attrs import field, frozen

from protocol.webrtc.dtls import DtlsContext
from tests.support.collection import no_collection, uncollected
from tests.support.leak_marks import Mark, assert_nothing_left, fill_history, spans
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

MARKS = (200, 600, 1000)
"""After so many cycles the process is looked at."""
WORKERS = 8
CYCLES_PER_SESSION = 5
CAP = 300.0
"""Seconds; only to end a test that hangs."""


@frozen(kw_only=True)
class Shared:
    """What all workers use: one certificate, which is slow to make, and one REST connection at a time."""

    server: FullServer
    context: DtlsContext = field(factory=DtlsContext.create)
    rest: trio.Lock = field(factory=trio.Lock)


async def test_a_thousand_cycles_leave_nothing_behind(tmp_path: Path) -> None:
    with trio.fail_after(CAP):
        async with full_server(tmp_path) as server:
            fill_history(server.server.events)
            marks = [await mark_after(server, cycles) for cycles in spans(MARKS)]
    assert_nothing_left(*marks)


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

"""What a node answers that has too much to do, or whose streams end late."""

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.cluster.requests.answering import MOST_REQUESTS
from actors.runtime.actor import StopReason
from protocol.cluster.messages import NodeRequest
from protocol.cluster.owner_messages import StopRecording
from protocol.rest.resources.streams import terminate_status
from tests.support.cluster.cluster_simulation import TERMINATED, SimulatedStream
from tests.support.cluster.growing_world import NEWS, SOON, World, published, terminate


async def test_a_terminate_for_which_there_was_no_room_is_carried_out_later(
    autojump_clock: MockClock, world: World
) -> None:
    a, b = await world.node("a"), await world.node("b")
    stream, has_room = await published(b), trio.Event()

    async def wait(ask: StopRecording) -> None:
        await has_room.wait()

    b.cluster.owners.serve(StopRecording, wait)
    for number in range(MOST_REQUESTS):
        request = NodeRequest(id=f"{number}", sender="a/1", wait_ms=1000, ask=StopRecording(filter=NEWS))
        b.cluster.answering.hear(None, request.encode())
    await wait_all_tasks_blocked()
    answer = await terminate(a)
    assert (terminate_status(answer), b.cluster.answering.refused) == (503, 1)
    assert stream.is_live
    has_room.set()
    await trio.sleep(2 * SOON)
    assert (stream.reason, b.cluster.answering.caught_up) == (TERMINATED, 1)


class SlowStream(SimulatedStream):
    """It takes a minute to end."""

    async def on_stop(self, reason: StopReason) -> None:
        await trio.sleep(60)


async def test_streams_of_another_node_that_end_late_are_told_as_such(autojump_clock: MockClock, world: World) -> None:
    a, b = await world.node("a"), await world.node("b")
    b.supervisor.adopt_stream(SlowStream(b, "news"))
    await trio.sleep(0.1)
    answer = await terminate(a)
    assert terminate_status(answer) == 200
    assert [(report.node_id, report.count, report.all_stopped) for report in answer.nodes] == [
        ("a", 0, True),
        ("b", 1, False),
    ]
    assert answer.coverage is not None
    assert answer.coverage.silent == ()

"""The outbox: what can leave at once does, everything keeps its order, and nothing grows without bound."""

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.runtime.slices import Turns
from actors.session import ReceiveQuota
from actors.session.socket.outbox import MOST_HELD, OUTBOX_BYTES, OVERHEAD, SEND_TIMEOUT, Outbox, OutboxPool


class SlowSocket:
    """A socket that takes a text at once, in part or not at all, and shows by which way it came."""

    def __init__(self) -> None:
        self.quota = ReceiveQuota()
        self.address: str | None = None
        self.sent: list[str] = []
        self.takes_now = True
        self.has_pending = False
        self.may_send = trio.Event()
        self.may_send.set()

    def send_now(self, *messages: str) -> bool:
        if self.takes_now:
            self.sent.append(f"now {' and '.join(messages)}")
        return self.takes_now

    async def send_message(self, message: str) -> None:
        await self.may_send.wait()
        self.has_pending = False
        self.sent.append(f"later {message}" if message else "rest")

    async def get_message(self) -> str | bytes:
        raise NotImplementedError

    async def aclose(self, code: int = 1000, reason: str | None = None) -> None:
        raise NotImplementedError


class Witness:
    """Counts how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> None:
        self.calls += 1


def watched(socket: SlowSocket) -> tuple[Outbox, Witness]:
    """The outbox of the only client, and who hears that the client does not read."""
    drop = Witness()
    return Outbox(socket, OutboxPool(1 << 30, on_overflow=Witness()), on_overflow=drop), drop


def alone(socket: SlowSocket) -> Outbox:
    """The outbox of the only client."""
    return watched(socket)[0]


@pytest.fixture
def socket() -> SlowSocket:
    return SlowSocket()


async def test_what_can_leave_at_once_does(socket: SlowSocket, nursery: trio.Nursery) -> None:
    outbox = alone(socket)
    nursery.start_soon(outbox.write)
    await trio.testing.wait_all_tasks_blocked()
    outbox.put("a")
    outbox.put("b")
    assert socket.sent == ["now a", "now b"]


async def test_before_the_writer_runs_texts_are_queued(socket: SlowSocket, nursery: trio.Nursery) -> None:
    outbox = alone(socket)
    outbox.put("a")
    nursery.start_soon(outbox.write)
    await trio.testing.wait_all_tasks_blocked()
    assert socket.sent == ["later a"]


async def test_nothing_overtakes_what_is_queued_or_being_sent(socket: SlowSocket, nursery: trio.Nursery) -> None:
    outbox = alone(socket)
    nursery.start_soon(outbox.write)
    await trio.testing.wait_all_tasks_blocked()
    socket.takes_now = False
    socket.may_send = trio.Event()
    outbox.put("a")
    socket.takes_now = True
    outbox.put("b")
    await trio.testing.wait_all_tasks_blocked()  # the writer has taken "a" and hangs in it
    outbox.put("c")
    socket.may_send.set()
    await trio.testing.wait_all_tasks_blocked()
    outbox.put("d")
    assert socket.sent == ["later a", "later b", "later c", "now d"]


async def test_what_was_sent_in_part_is_finished_first(socket: SlowSocket, nursery: trio.Nursery) -> None:
    outbox = alone(socket)
    nursery.start_soon(outbox.write)
    await trio.testing.wait_all_tasks_blocked()
    socket.has_pending = True
    outbox.put("a")
    outbox.put("b")
    await trio.testing.wait_all_tasks_blocked()
    assert socket.sent == ["now a", "rest", "later b"]


async def test_closed_it_sends_what_is_queued_and_takes_nothing_more(socket: SlowSocket) -> None:
    outbox = alone(socket)
    outbox.put("a")
    outbox.close()
    outbox.put("b")
    await outbox.write()
    assert socket.sent == ["later a"]


async def test_closed_while_the_writer_waits_it_sends_nothing_at_once(
    socket: SlowSocket, nursery: trio.Nursery
) -> None:
    outbox = alone(socket)
    nursery.start_soon(outbox.write)
    await trio.testing.wait_all_tasks_blocked()
    outbox.close()
    outbox.put("a")
    assert socket.sent == []


async def test_it_is_bounded(socket: SlowSocket) -> None:
    outbox, drop = watched(socket)
    outbox.put("x" * (OUTBOX_BYTES - OVERHEAD))
    assert drop.calls == 0
    outbox.put("y")
    assert drop.calls == 1
    outbox.put("z")
    await outbox.write()
    assert [text[:7] for text in socket.sent] == ["later x"], "what fitted in goes out"


async def test_a_client_that_does_not_read_is_given_up(socket: SlowSocket, autojump_clock: MockClock) -> None:
    outbox = alone(socket)
    socket.may_send = trio.Event()
    outbox.put("a")
    with pytest.raises(trio.TooSlowError):
        await outbox.write()
    assert trio.current_time() == pytest.approx(SEND_TIMEOUT)


async def test_short_texts_are_counted_by_what_they_take(socket: SlowSocket) -> None:
    outbox, drop = watched(socket)
    for _ in range(OUTBOX_BYTES // OVERHEAD):
        outbox.put("")
    assert drop.calls == 0
    outbox.put("")
    assert drop.calls == 1


async def test_when_too_much_waits_for_all_the_fullest_is_given_up(socket: SlowSocket) -> None:
    told, dropped = Witness(), [Witness(), Witness(), Witness()]
    pool = OutboxPool(100_000, on_overflow=told)
    greedy, modest, late = (Outbox(socket, pool, on_overflow=drop) for drop in dropped)
    greedy.put("x" * 60_000)
    modest.put("x" * 30_000)
    assert told.calls == 0
    late.put("x" * 20_000)
    assert (told.calls, [drop.calls for drop in dropped]) == (1, [1, 0, 0])
    assert pool.bytes == modest.bytes + late.bytes == 50_000 + 2 * OVERHEAD
    greedy.put("x" * 60_000)
    assert greedy.bytes == 0, "it takes nothing more"


async def test_the_one_who_puts_in_may_be_the_fullest(socket: SlowSocket) -> None:
    drop = Witness()
    pool = OutboxPool(100_000, on_overflow=Witness())
    outbox = Outbox(socket, pool, on_overflow=drop)
    outbox.put("x" * 100_001)
    assert (drop.calls, pool.bytes) == (1, 0)


async def test_what_is_sent_or_forgotten_waits_no_more(socket: SlowSocket) -> None:
    pool = OutboxPool(100_000, on_overflow=Witness())
    sent, forgotten = (Outbox(socket, pool, on_overflow=Witness()) for _ in range(2))
    for outbox in (sent, forgotten):
        outbox.put("a")
        outbox.put("b")
    forgotten.discard()
    sent.close()
    await sent.write()
    assert (pool.bytes, socket.sent) == (0, ["later a", "later b"])


# -- in a slice of a long work -----------------------------------------------------------------------------------------


async def sending(socket: SlowSocket, nursery: trio.Nursery, turns: Turns) -> Outbox:
    """An outbox whose writer waits for something to do."""
    outbox = Outbox(socket, OutboxPool(1 << 30, turns, on_overflow=Witness()), on_overflow=Witness())
    nursery.start_soon(outbox.write)
    await trio.testing.wait_all_tasks_blocked()
    return outbox


async def test_what_a_slice_sends_to_one_client_leaves_together_at_its_end(
    socket: SlowSocket, nursery: trio.Nursery
) -> None:
    turns, other = Turns(), SlowSocket()
    outbox, another = await sending(socket, nursery, turns), await sending(other, nursery, turns)
    async with turns:
        outbox.put("a")
        another.put("x")
        assert outbox.offer("b")
        assert (socket.sent, other.sent) == ([], [])
    outbox.put("c")
    assert (socket.sent, other.sent) == (["now a and b", "now c"], ["now x"])


async def test_what_a_slice_has_sent_is_queued_if_the_socket_does_not_take_it(
    socket: SlowSocket, nursery: trio.Nursery
) -> None:
    turns = Turns()
    outbox = await sending(socket, nursery, turns)
    socket.takes_now = False
    async with turns:
        outbox.put("a")
        outbox.put("b")
        outbox.close()
        outbox.put("c")
    await trio.testing.wait_all_tasks_blocked()
    assert socket.sent == ["later a", "later b"]


async def test_a_slice_holds_no_more_than_the_system_takes(socket: SlowSocket, nursery: trio.Nursery) -> None:
    turns = Turns()
    outbox = await sending(socket, nursery, turns)
    half, more = "x" * (MOST_HELD // 2), "y" * (MOST_HELD + 1)
    async with turns:
        for text in (half, half, "a", more, "b"):
            outbox.put(text)
        assert socket.sent == [f"now {half} and {half}", "now a", f"now {more}"]
    assert socket.sent[3:] == ["now b"]


async def test_what_was_held_is_finished_first_if_it_left_in_part(socket: SlowSocket, nursery: trio.Nursery) -> None:
    turns = Turns()
    outbox = await sending(socket, nursery, turns)
    socket.has_pending = True
    async with turns:
        outbox.put("a")
        outbox.put("x" * (MOST_HELD + 1))
        outbox.put("b")
    await trio.testing.wait_all_tasks_blocked()
    assert [text[:7] for text in socket.sent] == ["now a", "rest", "later x", "later b"]


async def test_what_was_held_for_a_client_that_is_given_up_is_dropped(
    socket: SlowSocket, nursery: trio.Nursery
) -> None:
    turns = Turns()
    outbox = await sending(socket, nursery, turns)
    async with turns:
        outbox.put("a")
        outbox.discard()
    await trio.testing.wait_all_tasks_blocked()
    assert (socket.sent, outbox.bytes) == ([], 0)


async def test_a_slice_that_crashes_holds_nothing_back(socket: SlowSocket, nursery: trio.Nursery) -> None:
    turns = Turns()
    outbox = await sending(socket, nursery, turns)

    async def crash() -> None:
        async with turns:
            outbox.put("a")
            raise ValueError("crash")

    with pytest.raises(ValueError, match="crash"):
        await crash()
    outbox.put("b")
    assert socket.sent == ["now a", "now b"]


async def test_a_client_that_crashes_as_it_is_sent_to_keeps_nobody_from_their_turn(nursery: trio.Nursery) -> None:
    class CrashingSocket(SlowSocket):
        def send_now(self, *messages: str) -> bool:
            raise ValueError("crash")

    turns = Turns()
    outbox = await sending(CrashingSocket(), nursery, turns)
    with pytest.raises(ValueError, match="crash"):
        async with turns:
            outbox.put("a")
    with trio.fail_after(60):
        async with turns:
            assert turns.held.is_slice


# -- one text for many clients -----------------------------------------------------------------------------------------


async def test_what_is_offered_drops_no_client_and_is_dropped_itself(socket: SlowSocket) -> None:
    told, dropped = Witness(), Witness()
    pool = OutboxPool(100_000, on_overflow=told)
    full, other = (Outbox(socket, pool, on_overflow=dropped) for _ in range(2))
    assert full.offer("x" * 90_000)
    assert not other.offer("y" * 10_000)
    assert other.offer("z" * 9_000)
    assert (told.calls, dropped.calls) == (0, 0)
    assert (full.bytes, other.bytes) == (90_000 + OVERHEAD, 9_000 + OVERHEAD)


async def test_what_is_offered_leaves_at_once_if_it_can_and_keeps_its_place(
    socket: SlowSocket, nursery: trio.Nursery
) -> None:
    outbox = alone(socket)
    outbox.put("a")
    assert outbox.offer("b")
    nursery.start_soon(outbox.write)
    await trio.testing.wait_all_tasks_blocked()
    assert outbox.offer("c")
    assert socket.sent == ["later a", "later b", "now c"]


async def test_a_client_with_a_full_queue_of_its_own_is_given_up_even_by_an_offer(socket: SlowSocket) -> None:
    outbox, drop = watched(socket)
    outbox.put("x" * (OUTBOX_BYTES - OVERHEAD))
    assert not outbox.offer("y")
    assert drop.calls == 1
    assert not outbox.offer("z")

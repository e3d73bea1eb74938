"""The outbox: what can leave at once does, everything keeps its order, and nothing grows without bound."""

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.session.outbox import OUTBOX_BYTES, SEND_TIMEOUT, Outbox, OutboxFull


class SlowSocket:
    """A socket that takes a text at once, in part or not at all, and shows by which way it came."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.takes_now = True
        self.has_rest = False
        self.may_send = trio.Event()
        self.may_send.set()

    def send_now(self, message: str) -> bool:
        if self.takes_now:
            self.sent.append(f"now {message}")
        return self.takes_now

    async def send_message(self, message: str) -> None:
        await self.may_send.wait()
        self.has_rest = False
        self.sent.append(f"later {message}" if message else "rest")

    async def get_message(self) -> str | bytes:
        raise NotImplementedError

    async def aclose(self, code: int = 1000, reason: str | None = None) -> None:
        raise NotImplementedError


@pytest.fixture
def socket() -> SlowSocket:
    return SlowSocket()


async def test_what_can_leave_at_once_does(socket: SlowSocket, nursery: trio.Nursery) -> None:
    outbox = Outbox(socket)
    nursery.start_soon(outbox.write)
    await trio.testing.wait_all_tasks_blocked()
    outbox.put("a")
    outbox.put("b")
    assert socket.sent == ["now a", "now b"]


async def test_before_the_writer_runs_texts_are_queued(socket: SlowSocket, nursery: trio.Nursery) -> None:
    outbox = Outbox(socket)
    outbox.put("a")
    nursery.start_soon(outbox.write)
    await trio.testing.wait_all_tasks_blocked()
    assert socket.sent == ["later a"]


async def test_nothing_overtakes_what_is_queued_or_being_sent(socket: SlowSocket, nursery: trio.Nursery) -> None:
    outbox = Outbox(socket)
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
    outbox = Outbox(socket)
    nursery.start_soon(outbox.write)
    await trio.testing.wait_all_tasks_blocked()
    socket.has_rest = True
    outbox.put("a")
    outbox.put("b")
    await trio.testing.wait_all_tasks_blocked()
    assert socket.sent == ["now a", "rest", "later b"]


async def test_closed_it_sends_what_is_queued_and_takes_nothing_more(socket: SlowSocket) -> None:
    outbox = Outbox(socket)
    outbox.put("a")
    outbox.close()
    outbox.put("b")
    await outbox.write()
    assert socket.sent == ["later a"]


async def test_closed_while_the_writer_waits_it_sends_nothing_at_once(
    socket: SlowSocket, nursery: trio.Nursery
) -> None:
    outbox = Outbox(socket)
    nursery.start_soon(outbox.write)
    await trio.testing.wait_all_tasks_blocked()
    outbox.close()
    outbox.put("a")
    assert socket.sent == []


async def test_it_is_bounded(socket: SlowSocket) -> None:
    outbox = Outbox(socket)
    outbox.put("x" * OUTBOX_BYTES)
    with pytest.raises(OutboxFull):
        outbox.put("y")


async def test_a_client_that_does_not_read_is_given_up(socket: SlowSocket, autojump_clock: MockClock) -> None:
    outbox = Outbox(socket)
    socket.may_send = trio.Event()
    outbox.put("a")
    with pytest.raises(trio.TooSlowError):
        await outbox.write()
    assert trio.current_time() == pytest.approx(SEND_TIMEOUT)

"""Data for many sessions leaves in slices, and each session gets everything in the order of the calls."""

import random
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.node.data_delivery import MAX_UNDER_WAY, SLICE, DataDelivery
from actors.node.ports.data import TooManyAtOnce
from actors.session import Session
from protocol.node.client_data import ClientData, DeliveryReport
from protocol.node.filters import ConnectionFilter
from tests.support.session.memory_socket import MemorySocket
from tests.support.session.signaling_rig import signaling_rig

EVERYBODY = ConnectionFilter()


async def payloads(socket: MemorySocket) -> list[Any]:
    """What the page has got of data so far."""
    socket.send("ping", None)
    await socket.receive("pong")
    return [data[0]["payload"] for data in socket.received("OnDataEvent")]


async def turns_of_all(count: int) -> None:
    """Let every task that can go on have so many turns at least, less one: their order in a turn is random."""
    for _ in range(count):
        await trio.lowlevel.checkpoint()


async def test_no_more_than_a_slice_is_served_in_one_go(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    served_in_this_go = 0
    most = 0
    pass_data = Session.pass_data

    def counted(session: Session, data: ClientData, *, among_many: bool) -> bool:
        nonlocal served_in_this_go, most
        served_in_this_go += 1
        most = max(most, served_in_this_go)
        return pass_data(session, data, among_many=among_many)

    async def begin_anew() -> None:
        nonlocal served_in_this_go
        while True:
            await trio.lowlevel.checkpoint()
            served_in_this_go = 0

    monkeypatch.setattr(Session, "pass_data", counted)
    async with signaling_rig() as rig, trio.open_nursery() as nursery:
        delivery = DataDelivery("node1", rig.supervisor)
        await rig.crowd(5 * SLICE)
        nursery.start_soon(begin_anew)
        assert (await delivery.broadcast(ClientData(1), EVERYBODY, None)).sent == 5 * SLICE
        nursery.cancel_scope.cancel()
    assert SLICE <= most <= 2 * SLICE  # the witness may get its turn before the broadcast or after it


async def test_data_for_one_goes_at_once_after_what_is_on_its_way_to_it(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        delivery = DataDelivery("node1", rig.supervisor)
        sockets = await rig.crowd(5 * SLICE)
        ids = list(rig.supervisor.all_sessions())
        done: list[DeliveryReport] = []

        async def broadcast(payload: int) -> None:
            done.append(await delivery.broadcast(ClientData(payload), EVERYBODY, None))

        async with trio.open_nursery() as nursery:
            for number in (1, 2):
                nursery.start_soon(broadcast, number)
                await turns_of_all(2)
                assert delivery.statistics().data_under_way == number
            for session_id in (ids[0], ids[-1]):
                assert await delivery.send(ClientData(3), (session_id,), EVERYBODY, node_id=None) == DeliveryReport(
                    sent=1
                )
            assert done == []
            assert await payloads(sockets[-1]) == [1, 2, 3]
        assert [await payloads(socket) for socket in sockets[1:-1]] == [[1, 2]] * (5 * SLICE - 2)
        assert await payloads(sockets[0]) == [1, 2, 3]
        assert [each.sent for each in done] == [5 * SLICE] * 2


@pytest.mark.parametrize("seed", range(5))
async def test_the_order_holds_whatever_is_sent_meanwhile(autojump_clock: MockClock, seed: int) -> None:
    chance = random.Random(seed)
    async with signaling_rig() as rig:
        delivery = DataDelivery("node1", rig.supervisor)
        sockets = await rig.crowd(3 * SLICE)
        ids = list(rig.supervisor.all_sessions())
        expected: dict[str, list[int]] = {each: [] for each in ids}

        async def send(number: int, to: list[str]) -> None:
            for session_id in to:
                expected[session_id].append(number)
            await delivery.send(ClientData(number), tuple(to), EVERYBODY, node_id=None)

        async with trio.open_nursery() as nursery:
            for number in range(MAX_UNDER_WAY):
                nursery.start_soon(send, number, chance.sample(ids, chance.choice([1, 2, SLICE, len(ids)])))
                for _ in range(chance.randrange(4)):
                    await trio.lowlevel.checkpoint()
        assert [await payloads(socket) for socket in sockets] == list(expected.values())


async def test_a_session_that_ends_meanwhile_is_left_out(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        delivery = DataDelivery("node1", rig.supervisor)
        sockets = await rig.crowd(3 * SLICE)
        *_, last = rig.supervisor.sessions()
        done: list[DeliveryReport] = []

        async def broadcast() -> None:
            done.append(await delivery.broadcast(ClientData(1), EVERYBODY, None))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(broadcast)
            await sockets[0].receive("OnDataEvent")
            sockets[-1].disconnect()
            await last.stopped.wait()
        assert done[0].sent in (3 * SLICE - 1, 3 * SLICE)
        assert delivery.statistics().data_sent == done[0].sent
        assert delivery.statistics().data_under_way == 0


async def test_a_delivery_that_is_given_up_holds_up_no_other(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        delivery = DataDelivery("node1", rig.supervisor)
        sockets = await rig.crowd(3 * SLICE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(delivery.broadcast, ClientData(1), EVERYBODY, None)
            await sockets[0].receive("OnDataEvent")
            nursery.cancel_scope.cancel()
        assert delivery.statistics().data_under_way == 0
        assert (await delivery.broadcast(ClientData(2), EVERYBODY, None)).sent == 3 * SLICE


async def test_too_many_under_way_are_refused_and_data_for_few_is_not(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        delivery = DataDelivery("node1", rig.supervisor)
        await rig.crowd(2 * SLICE)
        ids = tuple(rig.supervisor.all_sessions())
        async with trio.open_nursery() as nursery:
            for _ in range(MAX_UNDER_WAY):
                nursery.start_soon(delivery.broadcast, ClientData(1), EVERYBODY, None)
            await turns_of_all(2)
            assert delivery.statistics().data_under_way == MAX_UNDER_WAY
            with pytest.raises(TooManyAtOnce):
                await delivery.send(ClientData(2), ids, EVERYBODY, node_id=None)
            assert (await delivery.send(ClientData(2), ids[:SLICE], EVERYBODY, node_id=None)).sent == SLICE

"""A publisher's events on their way to many players: what they cost, and where they end."""

from itertools import pairwise
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.stream.fan_out import MAX_WAITING, SLICE, EventFanOut
from protocol.signaling import frame_codec
from protocol.signaling.frames import NotifyStreamEvent, ServerFrame
from protocol.stream.events import StreamEvent
from protocol.stream.statuses import StreamEventType
from tests.support.session.memory_socket import MemorySocket
from tests.support.session.signaling_rig import SignalingRig, signaling_rig


async def audience(rig: SignalingRig, size: int) -> list[MemorySocket]:
    """So many clients that play `cam`."""
    viewers = []
    for number in range(size):
        viewer, _ = await rig.connect()
        await rig.play(viewer, "cam", f"v{number}")
        viewers.append(viewer)
    return viewers


def send_data(publisher: MemorySocket, payload: Any) -> None:
    publisher.send("sendStreamEvent", {"mediaSessionId": "p1", "type": "data", "payload": payload})


async def answered(client: MemorySocket) -> None:
    """Wait until all that the client has sent so far is handled."""
    client.send("ping", None)
    await client.receive("pong")


async def test_an_event_is_encoded_once_however_many_play(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    encoded: list[ServerFrame] = []

    def encode(frame: ServerFrame) -> str:
        encoded.append(frame)
        return frame_codec.encode(frame)

    for module in ("actors.session.socket.writing", "protocol.signaling.shared_event"):
        monkeypatch.setattr(f"{module}.encode", encode)
    async with signaling_rig(methods=frozenset()) as rig:
        publisher, _ = await rig.connect()
        await rig.publish(publisher, "cam", "p1")
        viewers = await audience(rig, 25)
        send_data(publisher, {"n": 1})
        for number, viewer in enumerate(viewers):
            event = await viewer.receive("notifyStreamEvent")
            assert event == {"mediaSessionId": f"v{number}", "type": "data", "payload": {"n": 1}}
    assert len([frame for frame in encoded if isinstance(frame, NotifyStreamEvent)]) == 1


async def test_an_event_that_is_too_large_is_refused_and_reaches_nobody(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        publisher, _ = await rig.connect()
        await rig.publish(publisher, "cam", "p1")
        (viewer,) = await audience(rig, 1)
        send_data(publisher, "x" * 20_000)
        refused = await publisher.receive("fail")
        assert (refused["apiMethod"], refused["info"]) == ("sendStreamEvent", "The stream event is too large")
        send_data(publisher, "x" * 16_000)
        assert len((await viewer.receive("notifyStreamEvent"))["payload"]) == 16_000
        await rig.dispatcher.drain(60)
        assert len(rig.backend.called("sendStreamEvent")) == 1


async def test_events_of_one_client_are_limited_in_rate(autojump_clock: MockClock) -> None:
    async with signaling_rig(methods=frozenset(), max_stream_events=10) as rig:
        publisher, _ = await rig.connect()
        await rig.publish(publisher, "cam", "p1")
        (viewer,) = await audience(rig, 1)
        for number in range(30):
            send_data(publisher, number)
        await answered(publisher)
        await answered(viewer)
        assert len(viewer.received("notifyStreamEvent")) == 20
        assert [data[0]["info"] for data in publisher.received("fail")] == ["Too many stream events"] * 10
        await trio.sleep(1)
        send_data(publisher, "later")
        await viewer.receive("notifyStreamEvent", payload="later")


async def test_what_events_become_at_all_viewers_is_limited_too(autojump_clock: MockClock) -> None:
    async with signaling_rig(methods=frozenset(), max_stream_event_frames=20) as rig:
        publisher, _ = await rig.connect()
        await rig.publish(publisher, "cam", "p1")
        viewers = await audience(rig, 30)
        for number in range(3):
            send_data(publisher, number)
        await answered(publisher)
        assert len(publisher.received("fail")) == 1
        for viewer in viewers:
            await answered(viewer)
            assert len(viewer.received("notifyStreamEvent")) == 2
        await trio.sleep(1.1)
        send_data(publisher, "later")
        await viewers[-1].receive("notifyStreamEvent", payload="later")


async def test_a_call_of_the_backend_counts_as_ten_frames(autojump_clock: MockClock) -> None:
    async with signaling_rig(max_stream_event_frames=100) as rig:
        publisher, _ = await rig.connect()
        await rig.publish(publisher, "cam", "p1")
        await audience(rig, 20)
        for number in range(3):
            send_data(publisher, number)
        await answered(publisher)
        assert len(publisher.received("fail")) == 1
        await trio.testing.wait_all_tasks_blocked()
        await rig.dispatcher.drain(60)
        assert len(rig.backend.called("StreamEvent")) == 40


async def test_viewers_that_read_are_not_dropped_by_events(autojump_clock: MockClock) -> None:
    async with signaling_rig(methods=frozenset()) as rig:
        publisher, _ = await rig.connect()
        await rig.publish(publisher, "cam", "p1")
        viewers = await audience(rig, 20)
        for _ in range(40):
            send_data(publisher, "x" * 900_000)
        await trio.testing.wait_all_tasks_blocked()
        for viewer in viewers:
            await answered(viewer)


async def test_of_all_clients_the_one_for_whom_most_waits_is_dropped(autojump_clock: MockClock) -> None:
    async with signaling_rig(methods=frozenset(), max_outbox_total=100_000, max_stream_events=10_000) as rig:
        publisher, _ = await rig.connect()
        await rig.publish(publisher, "cam", "p1")
        await rig.publish(publisher, "other", "p2")
        (reads,) = await audience(rig, 1)
        stalled, session = await rig.connect()
        await rig.play(stalled, "cam", "w1")
        stalled.reads = False
        while session.reason is None:
            send_data(publisher, "x" * 10_000)
            await answered(publisher)
            await reads.receive("notifyStreamEvent")
        assert session.reason.cause == "client-does-not-read"
        assert rig.overflows == 1
        await answered(reads)


class Listener:
    """A player that notes what it hears, and when."""

    def __init__(self, heard: list[tuple[int, Any]], number: int) -> None:
        self._heard = heard
        self._number = number

    def pass_event(self, event: StreamEvent) -> None:
        self._heard.append((self._number, event.payload))


async def test_a_large_audience_is_told_in_slices_and_others_have_their_turn_in_between() -> None:
    heard: list[tuple[int, Any]] = []
    turns: list[int] = []
    fan_out: EventFanOut[StreamEvent] = EventFanOut()
    listeners = [Listener(heard, number) for number in range(10 * SLICE)]

    async def media() -> None:
        while len(heard) < 2 * len(listeners):
            turns.append(len(heard))
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        assert fan_out.add(StreamEvent(StreamEventType.DATA, "first"), listeners)
        assert len(heard) == SLICE
        assert not fan_out.add(StreamEvent(StreamEventType.DATA, "second"), listeners), "one runs already"
        nursery.start_soon(fan_out.run)
        nursery.start_soon(media)
    assert heard == [(number, text) for text in ("first", "second") for number in range(10 * SLICE)]
    # Of two tasks that can go on, either may have its turn first.
    assert max(after - before for before, after in pairwise(turns)) <= 2 * SLICE


async def test_a_small_audience_is_told_at_once() -> None:
    heard: list[tuple[int, Any]] = []
    fan_out: EventFanOut[StreamEvent] = EventFanOut()
    assert not fan_out.add(StreamEvent(StreamEventType.DATA, 1), [Listener(heard, 1), Listener(heard, 2)])
    assert heard == [(1, 1), (2, 1)]


async def test_it_says_when_too_many_events_wait() -> None:
    fan_out: EventFanOut[StreamEvent] = EventFanOut()
    listeners = [Listener([], number) for number in range(2 * SLICE)]
    for _ in range(MAX_WAITING):
        assert not fan_out.is_full
        fan_out.add(StreamEvent(StreamEventType.DATA), listeners)
    assert fan_out.is_full
    await fan_out.run()
    assert not fan_out.is_full


async def test_players_that_end_while_an_event_is_on_its_way_hear_nothing_after_their_end(
    autojump_clock: MockClock,
) -> None:
    async with signaling_rig(methods=frozenset()) as rig:
        publisher, _ = await rig.connect()
        await rig.publish(publisher, "cam", "p1")
        viewers = await audience(rig, 3 * SLICE)
        send_data(publisher, 1)
        publisher.send("unPublishStream", {"mediaSessionId": "p1"})
        for viewer in viewers:
            await viewer.receive("notifyStreamStatusEvent", status="FAILED")
            await answered(viewer)
            assert viewer.frames[-2]["message"] == "notifyStreamStatusEvent"

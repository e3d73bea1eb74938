"""What waits for a slow TCP connection: old media is forgotten, control packets are not."""

from protocol.common.memory_budget import Allowance
from protocol.webrtc.framing import framed
from protocol.webrtc.send_queue import MAX_AGE, MAX_BYTES, MAX_CONTROL, SendQueue

MEDIA = b"\x80\x60" + bytes(98)
RTCP = b"\x80\xc8" + bytes(26)
STUN = b"\x00\x01" + bytes(18)


def queue_of(*packets: bytes, budget: float = 1 << 30) -> SendQueue:
    queue = SendQueue(Allowance(budget))
    for packet in packets:
        assert queue.put(packet, 0.0)
    return queue


def written(queue: SendQueue, *, step: int = 1000) -> bytes:
    """Everything in it, piece by piece."""
    out = b""
    while len(queue):
        piece = bytes(queue.head[:step])
        out += piece
        queue.wrote(len(piece))
    return out


def test_packets_leave_in_order_and_whole() -> None:
    queue = queue_of(MEDIA, STUN, RTCP)
    assert written(queue, step=7) == framed(MEDIA) + framed(STUN) + framed(RTCP)
    assert (queue.size, queue.dropped) == (0, 0)


def test_a_frame_that_has_begun_goes_on() -> None:
    queue = SendQueue(Allowance(1000))
    assert queue.put(MEDIA, 0.0, written=40)
    assert written(queue) == framed(MEDIA)[40:]


def test_what_is_too_old_is_dropped_but_for_control_and_the_frame_that_has_begun() -> None:
    queue = SendQueue(Allowance(1 << 20))
    assert queue.put(MEDIA, 0.0, written=40)
    assert queue.put(STUN, 0.0)
    assert queue.put(MEDIA, MAX_AGE)
    gaps = [queue.has_gap]
    assert not queue.put(MEDIA, MAX_AGE + 0.01)
    gaps.append(queue.has_gap)
    assert (gaps, queue.dropped) == ([False, True], 2)
    assert written(queue) == framed(MEDIA)[40:] + framed(STUN)


def test_after_a_gap_no_media_is_taken_until_it_resumes() -> None:
    queue = queue_of(MEDIA)
    assert not queue.put(MEDIA, 1.0)
    assert not queue.put(MEDIA, 1.0)
    assert queue.put(RTCP, 1.0)
    assert written(queue) == framed(RTCP)
    assert not queue.put(MEDIA, 2.0)
    queue.resume()
    assert queue.put(MEDIA, 2.0)


def test_control_alone_waits_longer() -> None:
    queue = queue_of(RTCP)
    assert queue.put(STUN, 10.0)
    assert not queue.has_gap


def test_bytes_are_bounded_however_young_they_are() -> None:
    queue, large = SendQueue(Allowance(1 << 30)), MEDIA + bytes(1900)
    taken = 0
    while queue.put(large, 0.0):
        taken += 1
    assert taken == MAX_BYTES // len(framed(large))
    assert (queue.has_gap, queue.size) == (True, 0)
    while queue.put(RTCP, 0.0):
        assert queue.size < 2 * MAX_CONTROL


def test_all_queues_share_a_budget() -> None:
    budget = Allowance(3 * len(framed(MEDIA)))
    one, two = SendQueue(budget), SendQueue(budget)
    assert one.put(MEDIA, 0.0)
    assert one.put(MEDIA, 0.0)
    assert two.put(MEDIA, 0.0)
    assert not two.put(MEDIA, 0.0)
    one.clear()
    two.clear()
    assert budget.used == 0

from hypothesis import given
from hypothesis import strategies as st

from protocol.sfu.packet_history import ENTRY_BYTES, PacketHistory


def make_ring(*, max_age: float = 10.0, packets: int = 4) -> PacketHistory:
    """Room for so many packets of one byte."""
    return PacketHistory(max_age=max_age, max_bytes=packets * (1 + ENTRY_BYTES))


def held(ring: PacketHistory, *sequences: int) -> list[int]:
    return [sequence for sequence in sequences if sequence in ring]


def test_gives_back_what_was_put() -> None:
    ring = make_ring()
    ring.put(70_000, b"a", 0.0)
    assert ring.get(70_000) == b"a"
    assert 70_000 in ring
    assert ring.get(69_999) is None


def test_its_memory_is_bounded_and_the_oldest_packets_go_first() -> None:
    ring = make_ring(packets=4)
    for sequence in range(10, 16):
        ring.put(sequence, bytes([sequence]), 0.0)
    assert held(ring, *range(10, 16)) == [12, 13, 14, 15]
    assert ring.forgotten == 11


def test_a_large_packet_displaces_several_small_ones() -> None:
    ring = make_ring(packets=4)
    for sequence in range(4):
        ring.put(sequence, b"a", 0.0)
    ring.put(4, bytes(2 * (1 + ENTRY_BYTES)), 0.0)
    assert held(ring, *range(5)) == [3, 4]


def test_its_packets_are_young() -> None:
    ring = make_ring(max_age=2.0)
    ring.put(1, b"a", 0.0)
    ring.put(2, b"a", 1.0)
    ring.put(3, b"a", 2.5)
    assert held(ring, 1, 2, 3) == [2, 3]


def test_they_stay_while_nothing_comes() -> None:
    ring = make_ring(max_age=2.0)
    ring.put(1, b"a", 0.0)
    ring.put(2, b"a", 1.0)
    assert held(ring, 1, 2) == [1, 2]
    ring.put(3, b"a", 60.0)
    assert held(ring, 1, 2, 3) == [3]
    assert ring.forgotten == 2


def test_a_late_packet_stays_as_long_as_any() -> None:
    ring = make_ring(max_age=2.0)
    ring.put(3, b"a", 0.0)
    ring.put(2, b"a", 1.0)
    ring.put(4, b"a", 2.5)
    assert held(ring, 2, 3, 4) == [2, 4]
    assert ring.forgotten == 3


def test_a_cleared_ring_has_nothing_and_goes_on() -> None:
    ring = make_ring(packets=1)
    ring.put(3, b"a", 0.0)
    ring.clear()
    assert ring.get(3) is None
    ring.put(4, b"b", 0.0)
    assert ring.get(4) == b"b"


@given(st.lists(st.tuples(st.integers(0, 900), st.floats(0, 3)), max_size=80))
def test_whatever_is_put_age_and_bytes_are_bounded(puts: list[tuple[int, float]]) -> None:
    ring, now, sizes = PacketHistory(max_age=5.0, max_bytes=4000), 0.0, {}
    for sequence, (size, pause) in enumerate(puts):
        now += pause
        ring.put(sequence, bytes(size), now)
        sizes[sequence] = (size + ENTRY_BYTES, now)
        kept = held(ring, *sizes)
        assert len(kept) == len(ring)
        assert sum(sizes[one][0] for one in kept) <= 4000
        assert all(sizes[one][1] >= now - 5.0 for one in kept)
        assert sequence in ring


@given(
    steps=st.lists(st.tuples(st.integers(1, 6), st.sampled_from((0.0, 0.1, 3.0)), st.integers(0, 300)), max_size=12),
    packets=st.integers(1, 8),
)
def test_a_run_is_kept_as_its_packets_are(steps: list[tuple[int, float, int]], packets: int) -> None:
    together, singly = (make_ring(max_age=1.0, packets=packets) for _ in range(2))
    number, now = 100, 0.0
    for count, pause, size in steps:
        run = [bytes(size + index) for index in range(count)]
        times = [now + pause * (index + 1) for index in range(count)]
        together.put_run(number, run, times)
        for index, packet in enumerate(run):
            singly.put(number + index, packet, times[index])
        number, now = number + count, times[-1]
        assert together.forgotten == singly.forgotten
        kept = [(each, singly.get(each)) for each in range(100, number)]
        assert [(each, together.get(each)) for each in range(100, number)] == kept

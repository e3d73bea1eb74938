import pytest

from protocol.sfu.ring import PacketRing


def test_gives_back_what_was_put() -> None:
    ring = PacketRing(4)
    ring.put(70_000, b"a")
    assert ring.get(70_000) == b"a"
    assert 70_000 in ring


def test_a_packet_displaces_the_one_a_capacity_before() -> None:
    ring = PacketRing(4)
    for sequence in range(10, 16):
        ring.put(sequence, bytes([sequence]))
    assert [ring.get(sequence) for sequence in range(10, 16)] == [None, None, b"\x0c", b"\x0d", b"\x0e", b"\x0f"]
    assert 11 not in ring


def test_a_cleared_ring_has_nothing() -> None:
    ring = PacketRing(4)
    ring.put(3, b"a")
    ring.clear()
    assert ring.get(3) is None


def test_an_empty_ring_has_nothing() -> None:
    assert PacketRing(8).get(0) is None


@pytest.mark.parametrize("capacity", [0, 3, 1000])
def test_its_capacity_is_a_power_of_two(capacity: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        PacketRing(capacity)

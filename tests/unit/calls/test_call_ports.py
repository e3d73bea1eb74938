"""Which ports a call may have."""

from protocol.calls.ports import QUARANTINE, PortPool, PortRange


def test_ports_are_even_and_leave_room_for_the_next() -> None:
    assert list(PortRange(31_002, 31_007).ports) == [31_002, 31_004, 31_006]
    assert list(PortRange(31_003, 31_006).ports) == [31_004]
    assert len(PortRange(31_002, 32_000).ports) == 499
    assert list(PortRange(31_002, 31_002).ports) == []


def test_a_port_rests_after_its_call() -> None:
    pool = PortPool(PortRange(10, 13), lambda count: count - 1)
    assert (pool.take(0.0), pool.take(0.0), pool.take(0.0)) == (12, 10, None)
    assert pool.used == pool.size == 2
    pool.give_back(12, 5.0)
    assert pool.take(5.0 + QUARANTINE - 0.1) is None
    assert pool.take(5.0 + QUARANTINE) == 12


def test_ports_are_chosen_by_the_caller() -> None:
    pool = PortPool(PortRange(10, 17), lambda count: 0)
    assert sorted(pool.take(0.0) or 0 for _ in range(4)) == [10, 12, 14, 16]

"""When a process that has died is started again."""

from protocol.node.restarts import HEALTHY_AFTER, MOST_DEATHS, Restarts


def test_each_death_in_a_row_waits_longer_and_the_last_one_is_the_end() -> None:
    restarts = Restarts()
    delays = [restarts.died(1.0) for _ in range(MOST_DEATHS)]
    assert delays == [0.25, 0.5, 1.0, 2.0, 4.0, None]


def test_a_long_life_is_a_new_beginning() -> None:
    restarts = Restarts()
    for _ in range(MOST_DEATHS - 1):
        restarts.died(1.0)
    assert [restarts.died(HEALTHY_AFTER), restarts.died(1.0)] == [0.25, 0.5]

"""What values weigh, and how much of it may be held."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.common.memory_budget import Allowance, weigh


@pytest.mark.parametrize(
    "make",
    [
        lambda: [[] for _ in range(20_000)],
        lambda: [{} for _ in range(20_000)],
        lambda: [{f"key{n}": n * 1000} for n in range(20_000)],
        lambda: [float(n) for n in range(20_000)],
        lambda: {f"key {n}": f"value {n}" for n in range(20_000)},
        lambda: "\u00e9" * 1_000_000,
        lambda: "\U0001f600" * 1_000_000,
    ],
)
def test_a_weight_is_what_the_value_takes(make: Callable[[], Any]) -> None:
    tracemalloc.start()
    value = make()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken * 0.8 < weigh(value) < taken * 1.5


def test_depth_is_no_recursion() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    assert weigh(value) > 100_000 * 56
    while value:
        value = value.pop()


def test_an_allowance_is_held_and_given_back() -> None:
    memory = Allowance(10)
    assert memory.take(6)
    assert not memory.take(5)
    assert memory.used == 6
    memory.give_back(2)
    assert memory.take(6)
    memory.give_back(100)
    assert memory.used == 0


def test_a_parent_bounds_its_children_together_but_what_is_free() -> None:
    total = Allowance(10)
    one, other = Allowance(8, free=2, parent=total), Allowance(8, free=2, parent=total)
    assert one.take(8)
    assert total.used == 6
    assert not other.take(7)
    assert total.used == 6
    assert other.take(6)
    assert total.used == 10
    third = Allowance(8, free=2, parent=total)
    assert third.take(2)
    assert not third.take(1)
    one.give_back(7)
    assert (one.used, total.used) == (1, 4)
    one.give_back(1)
    other.give_back(6)
    assert total.used == 0


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-50, 50)), max_size=60))
def test_a_parent_always_holds_the_sum_of_what_is_not_free(steps: list[tuple[int, int]]) -> None:
    total = Allowance(100)
    children = [Allowance(60, free=5, parent=total) for _ in range(3)]
    for index, amount in steps:
        if amount > 0:
            children[index].take(amount)
        else:
            children[index].give_back(-amount)
        assert total.used == sum(max(0, child.used - 5) for child in children) <= 100
        assert all(0 <= child.used <= 60 for child in children)

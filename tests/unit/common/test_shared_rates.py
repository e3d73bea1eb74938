"""Rates of many: each has its own, and none is remembered for longer than it matters."""

from protocol.common.shared_rates import RateShares


def test_each_key_has_a_rate_of_its_own() -> None:
    shares = RateShares(10, 2)
    assert [shares.charge("a", 0.0) for _ in range(4)] == [0, 0, 0.1, 0.2]
    assert shares.charge("b", 0.0) == 0
    assert shares.charge("a", 10.0) == 0


def test_keys_whose_rate_is_whole_again_are_forgotten() -> None:
    shares = RateShares(10, 20)
    for number in range(1000):
        shares.charge(f"k{number}", number / 1000)
    assert len(shares) == 1000
    shares.charge("late", 3.0)
    assert len(shares) == 1


def test_a_key_in_debt_is_remembered_until_it_is_paid() -> None:
    shares = RateShares(10, 20)
    for _ in range(120):
        shares.charge("a", 0.0)  # 10 s of debt, 12 s until it is whole
    shares.charge("b", 11.9)
    assert len(shares) == 2
    shares.charge("c", 12.1)
    assert len(shares) == 2

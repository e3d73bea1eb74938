"""How long an address has to wait, and what is remembered for how long."""

from protocol.access.expiring import ExpiringSecrets
from protocol.access.throttle import FORGET_AFTER, FREE_FAILURES, LONGEST_WAIT, MAX_ADDRESSES, Throttle


def failed(times: int) -> Throttle:
    throttle = Throttle()
    for _ in range(times):
        throttle.fail("a", 0)
    return throttle


def test_the_first_failures_are_free_and_then_waits_double() -> None:
    waits = [failed(times).wait("a", 0) for times in range(FREE_FAILURES - 1, FREE_FAILURES + 8)]
    assert waits == [0, 1, 2, 4, 8, 16, 32, LONGEST_WAIT, LONGEST_WAIT]
    assert failed(10**4).wait("a", 0) == LONGEST_WAIT


def test_a_wait_passes_and_concerns_one_address() -> None:
    throttle = failed(FREE_FAILURES)
    assert throttle.wait("b", 0) == 0
    assert throttle.wait("a", 0.25) == 0.75
    assert throttle.wait("a", 1) == 0


def test_failures_are_forgotten_by_a_success_and_in_time() -> None:
    throttle = failed(FREE_FAILURES + 3)
    throttle.succeed("a")
    assert throttle.wait("a", 0) == 0
    throttle = failed(FREE_FAILURES + 3)
    throttle.fail("a", FORGET_AFTER + 1)
    assert throttle.wait("a", FORGET_AFTER + 1) == 0


def test_the_table_is_bounded_and_keeps_those_that_fail() -> None:
    throttle = failed(FREE_FAILURES)
    for number in range(MAX_ADDRESSES * 2):
        throttle.fail(f"other{number}", 0)
        if number % 1000 == 0:
            throttle.fail("a", 0)
    assert len(throttle) == MAX_ADDRESSES
    assert throttle.wait("a", 0) > 0


def test_a_secret_is_worth_something_for_a_while_and_once_if_taken() -> None:
    secrets: ExpiringSecrets[str] = ExpiringSecrets(b"key", lifetime=60, size=2)
    secrets.add("s", "value", 0)
    assert (secrets.get("s", 59), secrets.get("s", 60), secrets.get("t", 0)) == ("value", None, None)
    assert (secrets.take("s", 59), secrets.take("s", 59)) == ("value", None)


def test_nobody_takes_the_places_of_others() -> None:
    secrets: ExpiringSecrets[int] = ExpiringSecrets(b"key", lifetime=60, size=5, share=3)

    def left() -> set[str]:
        return {name for name in ("a0", "a1", "a2", "a3", "b0", "b1", "c0", "c1") if secrets.get(name, 1) is not None}

    secrets.add("b0", 0, 0, owner="b")
    for number in range(4):
        secrets.add(f"a{number}", number, 0, owner="a")
    assert left() == {"b0", "a1", "a2", "a3"}  # the share of one
    for name in ("b1", "c0"):
        secrets.add(name, 0, 0, owner=name[0])
    assert left() == {"a2", "a3", "b0", "b1", "c0"}  # who has most makes room
    assert (secrets.take("b0", 1), secrets.take("b0", 1)) == (0, None)
    secrets.add("b0", 0, 0, owner="b")
    assert len(secrets) == 5


def test_of_many_secrets_the_oldest_is_forgotten_and_expired_ones_go() -> None:
    secrets: ExpiringSecrets[int] = ExpiringSecrets(b"key", lifetime=60, size=3)
    for number in range(5):
        secrets.add(str(number), number, number)
    assert [secrets.get(str(number), 5) for number in range(5)] == [None, None, 2, 3, 4]
    secrets.add("new", 9, 1000)
    assert len(secrets) == 1

"""What answers to requests with an `Idempotency-Key` may take."""

from protocol.rest.idempotency import MAX_ANSWER, MAX_KEPT_BYTES, IdempotencyKeys

WHOLE = MAX_KEPT_BYTES // MAX_ANSWER


def answer(keys: IdempotencyKeys[str], caller: str, key: str, size: int = MAX_ANSWER) -> bool:
    """A request is carried out; whether its answer is kept."""
    return keys.keep(key, keys.begin(caller, key, b"", 0.0), "done", size)


def is_kept(keys: IdempotencyKeys[str], caller: str, key: str) -> bool:
    return keys.find(caller, key, b"", 0.0) is not None


def test_a_large_answer_is_not_kept() -> None:
    keys: IdempotencyKeys[str] = IdempotencyKeys()
    assert answer(keys, "ann", "k", MAX_ANSWER)
    assert not answer(keys, "ann", "larger", MAX_ANSWER + 1)
    assert is_kept(keys, "ann", "k")
    assert not is_kept(keys, "ann", "larger")


def test_beyond_the_bytes_of_all_who_has_the_most_loses_the_oldest() -> None:
    keys: IdempotencyKeys[str] = IdempotencyKeys()
    answer(keys, "ann", "first")
    for number in range(WHOLE // 2):
        answer(keys, "ben", f"k{number}")
    for number in range(WHOLE - WHOLE // 2 - 1):
        answer(keys, "cem", f"k{number}")
    assert len(keys) == WHOLE
    assert answer(keys, "ann", "one more")
    assert len(keys) == WHOLE
    assert is_kept(keys, "ann", "first")
    assert not is_kept(keys, "ben", "k0")
    assert is_kept(keys, "ben", "k1")


def test_the_bytes_of_what_is_forgotten_are_free() -> None:
    keys: IdempotencyKeys[str] = IdempotencyKeys()
    for number in range(3 * WHOLE):
        answer(keys, "ann", f"k{number}")
        keys.forget("ann", f"k{number}")
    answer(keys, "ann", "last")
    for number in range(WHOLE // 2):
        answer(keys, "ben", f"k{number}")
    assert is_kept(keys, "ann", "last")


def test_an_answer_that_comes_after_its_time_takes_nothing() -> None:
    keys: IdempotencyKeys[str] = IdempotencyKeys()
    late = keys.begin("ann", "k", b"", 0.0)
    assert keys.find("ann", "k", b"", 1000.0) is None
    assert keys.keep("k", late, "done", MAX_ANSWER)
    assert len(keys) == 0

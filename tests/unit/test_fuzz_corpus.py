"""What fuzzing has kept is replayed for each parser; `bin/test fuzz` looks for more."""

import pytest

from tests.fuzz.targets import TARGETS, inputs


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_finds_nothing(target: str) -> None:
    known = inputs(target)
    assert known
    for data in [*known, b""]:
        TARGETS[target](data)

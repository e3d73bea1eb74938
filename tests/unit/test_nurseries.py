"""How what fails inside the helpers of tests comes out of them."""

import pytest
import trio

from tests.support.nurseries import lone_errors, plain_nursery


async def _fail_in_three(error: Exception) -> None:
    async with plain_nursery(), plain_nursery(), plain_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        raise error


async def test_an_error_that_is_alone_comes_out_of_many_nurseries_as_itself() -> None:
    error = AssertionError("two clients")
    with pytest.raises(AssertionError, match="two clients") as caught:
        await _fail_in_three(error)
    assert caught.value is error
    assert error.__context__ is None


def test_several_errors_stay_a_group() -> None:
    with pytest.raises(ExceptionGroup) as caught, lone_errors():
        raise ExceptionGroup("both", [ValueError("one"), KeyError("other")])
    assert len(caught.value.exceptions) == 2


def test_what_is_no_group_passes() -> None:
    with pytest.raises(ValueError, match="plain"), lone_errors():
        raise ValueError("plain")

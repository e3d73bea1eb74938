"""Nurseries for what tests open: an error that comes alone out of them is raised as itself."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import trio


@asynccontextmanager
async def plain_nursery() -> AsyncIterator[trio.Nursery]:
    """A nursery whose only error is no group: else a test with twelve clients shows it inside twelve groups."""
    with lone_errors():
        async with trio.open_nursery() as nursery:
            yield nursery


@contextmanager
def lone_errors() -> Iterator[None]:
    """The only error of a group takes its place, so that a test that fails shows at once why. Several stay a group."""
    try:
        yield
    except BaseExceptionGroup as group:
        error = _lone(group)
        if error is group:
            raise
        context = error.__context__
        try:
            raise error
        finally:
            error.__context__ = context  # not the group, which holds the error itself


def _lone(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error

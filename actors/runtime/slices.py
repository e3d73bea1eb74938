"""Work on many things a slice at a time, so that other tasks, media above all, get their turn in between."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def slices(items: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """`items` in tuples of `size`, the last one shorter. The caller must have a checkpoint after each."""
    remaining = iter(items)
    return iter(lambda: tuple(islice(remaining, size)), ())

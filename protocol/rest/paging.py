"""Paging of the lists that find and find_all answer with: `offset` and `limit`, both optional, of our own making."""

from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

from attrs import frozen

from protocol.rest.fields import read_count

T = TypeVar("T")

PAGE_KEYS = frozenset({"offset", "limit"})


@frozen(kw_only=True)
class Page:
    """A part of a list: `limit` items (None: all the rest) after the first `offset`."""

    offset: int = 0
    limit: int | None = None

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """The items on this page."""
        end = None if self.limit is None else self.offset + self.limit
        return items[self.offset : end]


ALL = Page()
NOTHING = Page(limit=0)
"""To count only."""


@frozen(kw_only=True)
class Found(Generic[T]):
    """What a search comes back with: how many there are, and those on the page asked for, oldest first."""

    total: int
    items: tuple[T, ...]


def read_page(fields: Mapping[str, Any]) -> Page:
    """The page asked for; everything where nothing is said. RestError (400) on a value of the wrong type."""
    return Page(offset=read_count(fields, "offset") or 0, limit=read_count(fields, "limit"))

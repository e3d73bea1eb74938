"""Paging of the lists that find and find_all return: `offset` and `limit`, both optional. Not part of WCS."""

from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from attrs import frozen

from protocol.node.coverage import Coverage
from protocol.rest.fields import COUNT, Field, FieldValues

T = TypeVar("T")

OFFSET: Final = Field("offset", COUNT, "how many of the list to leave out")
LIMIT: Final = Field("limit", COUNT, "how many of the list to show at most")


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
"""An empty page, to get only the count."""


@frozen(kw_only=True)
class Found(Generic[T]):
    """The result of a search: how many items there are, and those on the requested page, oldest first."""

    total: int
    items: tuple[T, ...]
    coverage: Coverage | None = None
    """None: there is no cluster."""


def page_of(given: FieldValues, *, limit: int | None = None) -> Page:
    """The requested page. By default it starts at the first item and holds at most `limit`."""
    wanted = given[LIMIT]
    return Page(offset=given[OFFSET] or 0, limit=limit if wanted is None else wanted)

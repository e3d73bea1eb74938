"""One answer out of the replies of many nodes."""

from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

from protocol.calls.description import CallDescription
from protocol.cluster.messages import NodeReply
from protocol.node.coverage import Coverage
from protocol.node.descriptions import ConnectionDescription, StreamDescription
from protocol.node.filters import StreamFilter
from protocol.rest.errors import bad_request
from protocol.rest.paging import Found, Page
from protocol.rest.resources.streams import NodeReport, TerminateAnswer
from protocol.rooms.descriptions import RoomDescription

D = TypeVar("D", StreamDescription, ConnectionDescription, RoomDescription, CallDescription)

MOST_ITEMS = 1_000
"""Items of one answer at most, also without `limit`."""
MOST_DEPTH = 20_000
"""The largest `offset` plus `limit`: each node has to give as many items as the page ends at."""


def bounded(page: Page) -> Page:
    """The page that a cluster shows. Raises RestError (400) for one too deep in the list."""
    limit = MOST_ITEMS if page.limit is None else min(page.limit, MOST_ITEMS)
    if page.offset + limit > MOST_DEPTH:
        raise bad_request(f"a cluster shows the first {MOST_DEPTH} of a list: use a filter")
    return Page(offset=page.offset, limit=limit)


def is_decided(query: StreamFilter, *, matched: int) -> bool:
    """Whether no further node can have a stream that matches, once `matched` have been found.

    Ids of media sessions, and names of publications, are unique in the cluster.
    """
    if query.relays:
        return False
    if query.media_session_ids is not None and matched >= len(query.media_session_ids):
        return True
    return query.name is not None and query.published is True and matched >= 1


def coverage_of(
    asked: Collection[str], answered: Collection[str], *, names: dict[str, str], is_cut_off: bool, is_decided: bool
) -> Coverage:
    """`asked`: the other members; `names`: their nodes' ids as REST shows them."""
    silent = tuple(names.get(member, member) for member in asked if member not in answered)
    return Coverage(asked=len(asked) + 1, silent=silent, is_cut_off=is_cut_off, is_decided=is_decided)


def merged_end(local: NodeReport, replies: Iterable[NodeReply], coverage: Coverage) -> TerminateAnswer:
    """What all nodes have stopped."""
    others = (
        NodeReport(node_id=each.node_id, count=each.count, all_stopped=each.all_stopped, matched=each.streams)
        for each in replies
    )
    return TerminateAnswer(nodes=(local, *others), coverage=coverage)


def merged_list(local: Found[D], others: Iterable[tuple[int, Sequence[D]]], page: Page, coverage: Coverage) -> Found[D]:
    """The page out of what each node has: its number of matches and the oldest of them, as many as the page ends at."""
    total, items = local.total, list(local.items)
    for count, some in others:
        total += count
        items += some
    items.sort(key=lambda item: item.create_date)
    return Found(total=total, items=tuple(page.of(items)), coverage=coverage)


def needed_of_each(page: Page) -> Page:
    """What each node must give, so that the page is complete."""
    return Page(limit=page.offset + (MOST_ITEMS if page.limit is None else page.limit))

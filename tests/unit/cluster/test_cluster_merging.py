"""One answer out of many: what is not known is never told as if it were."""

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from protocol.cluster.merging import (
    MOST_DEPTH,
    MOST_ITEMS,
    bounded,
    coverage_of,
    is_decided,
    merged_end,
    merged_list,
    needed_of_each,
)
from protocol.cluster.messages import NodeReply
from protocol.node.coverage import Coverage
from protocol.node.descriptions import StreamDescription
from protocol.node.filters import StreamFilter
from protocol.rest.errors import RestError
from protocol.rest.paging import Found, Page
from protocol.rest.resources.streams import NodeReport, terminate_status
from tests.support.web.stream_world import stream

NAMES = ("news", "other")
IDS = tuple("abcdef")


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[list[StreamDescription]], StreamFilter, set[int]]:
    """The streams of some nodes, a filter, and the nodes that do not answer. The first one is this node.

    Ids are unique in the cluster, and so are names of publications.
    """
    nodes: list[list[StreamDescription]] = [[] for _ in range(draw(st.integers(1, 4)))]
    published: set[str] = set()
    for media_session_id in draw(st.lists(st.sampled_from(IDS), unique=True)):
        name = draw(st.sampled_from(NAMES))
        is_published = name not in published and draw(st.booleans())
        published |= {name} if is_published else set()
        nodes[draw(st.integers(0, len(nodes) - 1))].append(stream(media_session_id, name, published=is_published))
    query = StreamFilter(
        name=draw(st.none() | st.sampled_from(NAMES)),
        published=draw(st.none() | st.booleans()),
        media_session_ids=draw(st.none() | st.frozensets(st.sampled_from(IDS), max_size=2)),
    )
    silent = draw(st.sets(st.integers(1, len(nodes)), max_size=len(nodes))) - {len(nodes)}
    return nodes, query, silent


@given(worlds(), st.booleans())
def test_404_only_if_nothing_matches_and_200_only_if_nothing_that_matches_lives(
    world: tuple[list[list[StreamDescription]], StreamFilter, set[int]], allows_partial: bool
) -> None:
    nodes, query, silent = world
    counts = [sum(map(query.matches, streams)) for streams in nodes]
    answered = {str(number): counts[number] for number in range(1, len(nodes)) if number not in silent}
    replies = [NodeReply(id="", sender=name, node_id=name, count=count) for name, count in answered.items()]
    asked = [str(number) for number in range(1, len(nodes))]
    matched = counts[0] + sum(answered.values())
    coverage = coverage_of(
        asked, answered.keys(), names={}, is_cut_off=False, is_decided=is_decided(query, matched=matched)
    )
    answer = merged_end(NodeReport(node_id="0", count=counts[0]), replies, coverage)
    status = terminate_status(answer)
    left = sum(counts[number] for number in silent)
    if status == 404:
        assert sum(counts) == 0
    if status == 200:
        assert answer.count
        assert left == 0
    if not silent:
        assert status == (200 if sum(counts) else 404)
    assert terminate_status(answer, allows_partial=True) == (200 if answer.count else status)


def test_without_redis_only_what_is_decided_is_certain() -> None:
    cut_off = Coverage(asked=3, is_cut_off=True)
    assert terminate_status(merged_end(NodeReport(node_id="0", count=1), (), cut_off)) == 503
    assert terminate_status(merged_end(NodeReport(node_id="0", count=0), (), cut_off)) == 503
    decided = evolve(cut_off, is_decided=True)
    assert terminate_status(merged_end(NodeReport(node_id="0", count=1), (), decided)) == 200
    assert (cut_off.shown, cut_off.missing) == ("3/?", "*")


@pytest.mark.parametrize(
    ("query", "matched", "decided"),
    [
        (StreamFilter(media_session_ids=frozenset("ab")), 1, False),
        (StreamFilter(media_session_ids=frozenset("ab")), 2, True),
        (StreamFilter(media_session_ids=frozenset()), 0, True),
        (StreamFilter(name="news", published=True), 1, True),
        (StreamFilter(name="news", published=True), 0, False),
        (StreamFilter(name="news"), 5, False),
        (StreamFilter(published=True), 5, False),
        (StreamFilter(), 5, False),
    ],
)
def test_when_nothing_more_can_match(query: StreamFilter, matched: int, decided: bool) -> None:
    assert is_decided(query, matched=matched) is decided


@given(st.lists(st.lists(st.integers(0, 50), max_size=8), min_size=1, max_size=4), st.integers(0, 9), st.integers(0, 9))
def test_a_page_over_nodes_is_the_page_of_all(ages: list[list[int]], offset: int, limit: int) -> None:
    page = Page(offset=offset, limit=limit)
    nodes = [
        sorted((stream(f"{node}-{number}", create_date=age) for number, age in enumerate(each)), key=age_of)
        for node, each in enumerate(ages)
    ]
    parts = [(len(each), tuple(needed_of_each(page).of(each))) for each in nodes]
    local = Found(total=parts[0][0], items=parts[0][1])
    merged = merged_list(local, parts[1:], page, Coverage(asked=len(nodes)))
    everything = sorted((each for streams in nodes for each in streams), key=age_of)
    assert merged.total == len(everything)
    assert [age_of(each) for each in merged.items] == [age_of(each) for each in page.of(everything)]


def age_of(description: StreamDescription) -> int:
    return description.create_date


def test_lists_over_nodes_are_bounded() -> None:
    assert bounded(Page()).limit == MOST_ITEMS
    assert bounded(Page(offset=5, limit=MOST_ITEMS + 1)) == Page(offset=5, limit=MOST_ITEMS)
    with pytest.raises(RestError):
        bounded(Page(offset=MOST_DEPTH))


def test_only_some_silent_nodes_are_named() -> None:
    silent = tuple(map(str, range(100)))
    coverage = Coverage(asked=101, silent=silent)
    assert coverage.shown == "1/101"
    assert len(coverage.missing.split(",")) == 20


def test_silent_nodes_are_named_as_a_header_can_hold_it() -> None:
    """Whatever another program has written to Redis."""
    coverage = Coverage(asked=4, silent=("edge@10.0.0.1", "[::1]:8", "snow \u2603\r\nX-Evil: 1,x" + "y" * 5000))
    first, second, third = coverage.missing.split(",")
    assert (first, second) == ("edge@10.0.0.1", "[::1]:8")
    assert third.startswith("snow%20%E2%98%83%0D%0AX-Evil:%201%2Cxyyy")
    assert len(third) < 1000

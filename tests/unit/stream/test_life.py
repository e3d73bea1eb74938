"""The life of a stream, row by row, and what has no row."""

from itertools import product

import pytest

from protocol.stream.life import PLAYED, PUBLISHED, LifeEvent, StreamLife, Transitions
from protocol.stream.statuses import StreamStatus as Status

KINDS = [pytest.param(PUBLISHED, True, id="published"), pytest.param(PLAYED, False, id="played")]
LIVE = {Status.PUBLISHING, Status.PLAYING}
WANTED = {Status.UNPUBLISHED, Status.STOPPED}


def in_status(status: Status, *, published: bool) -> StreamLife:
    """A stream that has come as far as `status`."""
    life = StreamLife(published=published)
    life.status = status
    return life


@pytest.mark.parametrize(("table", "published"), KINDS)
def test_every_row_is_walked_and_nothing_else_moves_a_stream(table: Transitions, published: bool) -> None:
    for status, event in product(Status, LifeEvent):
        life = in_status(status, published=published)
        assert life.take(event) is ((status, event) in table)
        assert life.status == table.get((status, event), status)


@pytest.mark.parametrize(("table", "published"), KINDS)
def test_every_status_that_is_reached_can_be_reached_from_pending(table: Transitions, published: bool) -> None:
    reached, waiting = {Status.PENDING}, [Status.PENDING]
    while waiting:
        here = waiting.pop()
        found = {after for (before, _), after in table.items() if before is here} - reached
        reached |= found
        waiting += found
    assert reached == {Status.PENDING, *(before for before, _ in table), *table.values()}
    assert StreamLife(published=published).status is Status.PENDING


@pytest.mark.parametrize(("table", "published"), KINDS)
def test_only_the_end_is_final_and_only_the_users_own_stop_is_no_failure(table: Transitions, published: bool) -> None:
    for (status, event), after in table.items():
        assert not status.is_terminal
        assert after.is_terminal is (event is not LifeEvent.MEDIA_FLOWS)
        assert (after in WANTED) is (event is LifeEvent.USER_STOPS)
        assert in_status(after, published=published).is_live is (after in LIVE)
    for status in (Status.PENDING, *(LIVE & set(table.values()))):
        assert (status, LifeEvent.USER_STOPS) in table
        assert (status, LifeEvent.OTHER_END) in table

"""The life of a stream, row by row, and what has no row."""

from itertools import product

import pytest

from protocol.common.transitions import Transitions
from protocol.stream.life import PLAYED, PUBLISHED, LifeEvent, StreamLife
from protocol.stream.statuses import StreamStatus as Status

Table = Transitions[Status, LifeEvent]

KINDS = [pytest.param(PUBLISHED, True, id="published"), pytest.param(PLAYED, False, id="played")]
LIVE = {Status.PUBLISHING, Status.PLAYING}
WANTED = {Status.UNPUBLISHED, Status.STOPPED}


def in_status(status: Status, *, published: bool) -> StreamLife:
    """A stream that has come as far as `status`."""
    life = StreamLife(published=published)
    life.status = status
    return life


@pytest.mark.parametrize(("table", "published"), KINDS)
def test_every_row_is_walked_and_nothing_else_moves_a_stream(table: Table, published: bool) -> None:
    for status, event in product(Status, LifeEvent):
        life = in_status(status, published=published)
        assert life.take(event) is table.allows(status, event)
        assert life.status == table.rows.get((status, event), status)


@pytest.mark.parametrize(("table", "published"), KINDS)
def test_only_the_end_is_final_and_only_the_users_own_stop_is_no_failure(table: Table, published: bool) -> None:
    for (status, event), after in table.rows.items():
        assert not status.is_terminal
        assert after.is_terminal is (event is not LifeEvent.MEDIA_FLOWS)
        assert (after in WANTED) is (event is LifeEvent.USER_STOPS)
        assert in_status(after, published=published).is_live is (after in LIVE)
    for status in (Status.PENDING, *(LIVE & set(table.rows.values()))):
        assert table.allows(status, LifeEvent.USER_STOPS)
        assert table.allows(status, LifeEvent.OTHER_END)

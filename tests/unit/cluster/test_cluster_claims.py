"""Names that a node wants, holds and gives back; and what it does when replies are late or never come."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.cluster.claims import (
    MOST_ACKNOWLEDGED,
    Batch,
    BatchFate,
    BatchReply,
    ClaimTable,
    Holder,
    Named,
)

NEWS, LATER, OTHER = Named("news", "1"), Named("news", "2"), Named("other", "3")
YOURS = Holder("b/1", "9")


def done(*holders: Holder | None) -> BatchReply:
    return BatchReply(fate=BatchFate.DONE, holders=holders)


def next_of(table: ClaimTable) -> Batch:
    batch = table.next_batch()
    assert batch is not None
    return batch


def test_a_name_is_held_once_it_is_confirmed() -> None:
    table = ClaimTable()
    assert table.next_batch() is None
    table.want(NEWS)
    batch = next_of(table)
    assert (batch.claims, batch.releases) == ((NEWS,), ())
    assert not table.holds(NEWS)
    assert table.settle(batch, done(None)).confirmed == (NEWS,)
    assert table.holds(NEWS)
    assert not table.is_due


def test_a_name_of_another_node_is_lost() -> None:
    table = ClaimTable()
    table.want(NEWS)
    assert table.settle(next_of(table), done(YOURS)).lost == ((NEWS, YOURS),)
    assert len(table) == 0
    table.drop(NEWS)
    assert not table.is_due, "there is nothing of ours to release"


def test_what_was_never_sent_needs_no_release() -> None:
    table = ClaimTable()
    table.want(NEWS)
    table.drop(NEWS)
    assert not table.is_due


def test_a_release_is_repeated_until_it_is_acknowledged() -> None:
    table = ClaimTable()
    table.want(NEWS)
    table.settle(next_of(table), done(None))
    table.drop(NEWS)
    assert next_of(table).releases == (NEWS,)
    again = next_of(table)
    assert again.releases == (NEWS,)
    table.settle(again, done())
    assert not table.is_due


def test_what_is_given_up_while_its_claim_is_under_way_is_released() -> None:
    table = ClaimTable()
    table.want(NEWS)
    batch = next_of(table)
    table.drop(NEWS)
    assert table.settle(batch, done(None)).confirmed == ()
    assert next_of(table).releases == (NEWS,)


def test_a_claim_whose_reply_was_lost_is_released_when_it_is_given_up() -> None:
    table = ClaimTable()
    table.want(NEWS)
    next_of(table)
    table.drop(NEWS)
    assert next_of(table).releases == (NEWS,)


def test_without_a_lease_claims_wait_and_releases_are_done() -> None:
    table = ClaimTable()
    table.want(NEWS)
    table.settle(next_of(table), done(None))
    table.drop(NEWS)
    table.want(OTHER)
    table.settle(next_of(table), BatchReply(fate=BatchFate.FENCED))
    assert (table.unreleased, table.unconfirmed) == (0, 1)


def test_a_stale_reply_changes_nothing() -> None:
    table = ClaimTable()
    table.want(NEWS)
    table.settle(next_of(table), BatchReply(fate=BatchFate.STALE))
    assert next_of(table).claims == (NEWS,)


def test_a_registry_that_lost_its_data_is_told_everything_again() -> None:
    table = ClaimTable()
    for named in (NEWS, OTHER):
        table.want(named)
    table.settle(next_of(table), done(None, None))
    table.distrust()
    assert set(next_of(table).claims) == {NEWS, OTHER}


def test_a_name_passes_from_one_stream_of_the_node_to_the_next() -> None:
    table = ClaimTable()
    table.want(NEWS)
    table.settle(next_of(table), done(None))
    table.want(LATER)
    batch = next_of(table)
    assert (batch.releases, batch.claims) == ((NEWS,), (LATER,))
    table.settle(batch, done(None))
    table.drop(NEWS)
    assert table.holds(LATER)
    assert not table.is_due


def test_to_want_what_is_held_changes_nothing() -> None:
    table = ClaimTable()
    table.want(NEWS)
    table.settle(next_of(table), done(None))
    table.want(NEWS)
    assert table.holds(NEWS)
    assert not table.is_due


STEPS = st.lists(
    st.tuples(st.sampled_from(["want", "drop", "write", "lost request", "lost reply", "wipe"]), st.integers(0, 2)),
    max_size=60,
)


class LossyRegistry:
    """A registry of one node, to which requests get lost, or from which replies do."""

    def __init__(self) -> None:
        self.table = ClaimTable()
        self.names: dict[str, Named] = {}
        self.wanted: dict[str, Named] = {}
        self._numbers = 0

    def want(self, name: str) -> None:
        self.drop(name)
        self._numbers += 1
        self.wanted[name] = named = Named(name, str(self._numbers))
        self.table.want(named)

    def drop(self, name: str) -> None:
        if name in self.wanted:
            self.table.drop(self.wanted.pop(name))

    def wipe(self) -> None:
        self.names.clear()
        self.table.distrust()

    def write(self, *, arrives: bool = True, is_answered: bool = True) -> None:
        batch = self.table.next_batch()
        if batch is None or not arrives:
            return
        for named in batch.releases:
            if self.names.get(named.name) == named:
                del self.names[named.name]
        self.names |= {named.name: named for named in batch.claims}
        if is_answered:
            self.table.settle(batch, done(*(None for _ in batch.claims)))


@given(STEPS)
def test_in_the_end_the_registry_has_what_is_wanted_and_nothing_else(steps: list[tuple[str, int]]) -> None:
    registry = LossyRegistry()
    for step, which in steps:
        match step:
            case "want":
                registry.want(f"name {which}")
            case "drop":
                registry.drop(f"name {which}")
            case "wipe":
                registry.wipe()
            case _:
                registry.write(arrives=step != "lost request", is_answered=step == "write")
    registry.write()
    assert registry.names == registry.wanted
    assert not registry.table.is_due


def test_what_was_confirmed_before_the_data_was_lost_is_claimed_again() -> None:
    table = ClaimTable()
    table.want(NEWS)
    batch = next_of(table)
    table.distrust()
    assert table.settle(batch, done(None)).confirmed == ()
    assert next_of(table).claims == (NEWS,)


def test_a_registry_that_goes_back_in_time_is_told_what_it_had_acknowledged() -> None:
    """Redis comes back with the data of a moment ago: what was claimed since is gone, what was released is there."""
    table = ClaimTable()
    for named in (NEWS, OTHER):
        table.want(named)
    table.settle(next_of(table), done(None, None))
    table.drop(NEWS)
    table.settle(next_of(table), done())
    assert not table.is_due
    table.distrust()
    batch = next_of(table)
    assert (batch.releases, batch.claims) == ((NEWS,), (OTHER,))
    table.settle(batch, done(None))
    assert not table.is_due


def test_a_release_under_way_when_the_registry_went_back_is_written_again() -> None:
    table = ClaimTable()
    table.want(NEWS)
    table.settle(next_of(table), done(None))
    table.drop(NEWS)
    batch = next_of(table)
    table.distrust()
    table.settle(batch, done())
    assert next_of(table).releases == (NEWS,)


def test_a_name_that_is_wanted_again_while_it_is_released_is_not_released_later() -> None:
    table = ClaimTable()
    table.want(NEWS)
    table.settle(next_of(table), done(None))
    table.drop(NEWS)
    batch = next_of(table)
    table.want(NEWS)
    table.settle(batch, done())
    table.settle(next_of(table), done(None))
    table.distrust()
    assert next_of(table).releases == ()


def test_a_name_that_is_wanted_again_is_not_released() -> None:
    table = ClaimTable()
    table.want(NEWS)
    table.settle(next_of(table), done(None))
    table.drop(NEWS)
    table.settle(next_of(table), done())
    table.want(NEWS)
    table.distrust()
    assert (next_of(table).releases, next_of(table).claims) == ((), (NEWS,))


def test_of_acknowledged_releases_the_latest_are_remembered() -> None:
    table = ClaimTable()
    for number in range(MOST_ACKNOWLEDGED + 5):
        named = Named(str(number), "1")
        table.want(named)
        table.settle(next_of(table), done(None))
        table.drop(named)
        table.settle(next_of(table), done())
    table.distrust()
    assert table.unreleased == MOST_ACKNOWLEDGED

"""Who may not connect, publish or play after having been kicked, and for how long."""

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.access.bans import Ban, BanAction, BanTable
from protocol.access.bans_file import BansFileError, read_bans, write_bans
from protocol.access.kicks import BanBy, BanOrder, Subject

NOW = 1_000.0


def table(*, limit: int = 100) -> BanTable:
    numbers = count(1)
    return BanTable(limit=limit, make_id=lambda: f"ban{next(numbers)}")


def subject(session: str = "s1", app: str = "app", **fields: Any) -> Subject:
    return Subject(app_key=app, session_id=session, **fields)


def order(by: BanBy | None = None, seconds: float = 30.0, reason: str | None = None) -> BanOrder:
    return BanOrder(seconds=seconds, by=by, reason=reason)


ALICE = subject("alice1", user="alice", token="t1", address="192.0.2.1")
ALICE_AGAIN = subject("alice2", user="alice", token="t2", address="192.0.2.2")
BOB = subject("bob1", user="bob", token="t3", address="192.0.2.1")
NOBODY = subject("nobody1")


def may(bans: BanTable, who: Subject, *, name: str = "news", published: bool, now: float = NOW) -> bool:
    return bans.of_stream(who, name=name, published=published, now=now) is None


# -- whom a ban concerns ----------------------------------------------------------------------------------------------


def test_a_publication_is_banned_by_its_name_and_direction() -> None:
    bans = table()
    bans.ban_stream(order(), ALICE, name="news", published=True, now=NOW)
    assert not may(bans, ALICE, published=True)
    assert not may(bans, BOB, published=True)
    assert may(bans, ALICE, published=False)
    assert may(bans, ALICE, name="sport", published=True)
    assert may(bans, subject(app="other", user="alice"), published=True)
    assert bans.of_session(ALICE, NOW) is None


def test_a_playback_is_banned_for_its_user_alone() -> None:
    bans = table()
    bans.ban_stream(order(), ALICE, name="news", published=False, now=NOW)
    assert not may(bans, ALICE, published=False)
    assert not may(bans, ALICE_AGAIN, published=False)
    assert may(bans, BOB, published=False)
    assert may(bans, ALICE, published=True)


def test_without_a_user_the_token_counts_and_without_that_the_session() -> None:
    bans = table()
    holder, same = subject("h1", token="t9"), subject("h2", token="t9")
    bans.ban_stream(order(), holder, name="news", published=False, now=NOW)
    assert not may(bans, same, published=False)
    bans.ban_stream(order(), NOBODY, name="news", published=False, now=NOW)
    assert not may(bans, NOBODY, published=False)
    assert may(bans, subject("nobody2"), published=False)


@pytest.mark.parametrize("published", [True, False])
def test_a_stream_is_banned_by_what_the_order_says(published: bool) -> None:
    for by, banned in ((BanBy.NAME, {ALICE, BOB, NOBODY}), (BanBy.USER, {ALICE}), (BanBy.ADDRESS, {ALICE, BOB})):
        bans = table()
        bans.ban_stream(order(by), ALICE, name="news", published=published, now=NOW)
        assert {who for who in (ALICE, BOB, NOBODY) if not may(bans, who, published=published)} == banned


def test_a_session_is_banned_for_its_user_who_then_may_do_nothing() -> None:
    bans = table()
    bans.ban_session(order(), ALICE, NOW)
    assert bans.of_session(ALICE_AGAIN, NOW) is not None
    assert not may(bans, ALICE_AGAIN, name="anything", published=True)
    assert not may(bans, ALICE_AGAIN, name="anything", published=False)
    assert bans.of_session(BOB, NOW) is None
    bans.ban_session(order(BanBy.ADDRESS), ALICE, NOW)
    assert bans.of_session(BOB, NOW) is not None


@pytest.mark.parametrize("by", [None, BanBy.USER, BanBy.ADDRESS])
def test_who_is_not_known_cannot_be_banned(by: BanBy | None) -> None:
    bans, kick = table(), order(by)
    bans.ban_session(kick, NOBODY, NOW)
    assert (len(bans), kick.placed) == (0, 0)
    bans.ban_stream(order(BanBy.ADDRESS), NOBODY, name="news", published=True, now=NOW)
    assert len(bans) == 0


# -- how long ---------------------------------------------------------------------------------------------------------


def test_a_ban_ends() -> None:
    bans = table()
    bans.ban_stream(order(reason="too loud"), ALICE, name="news", published=True, now=NOW)
    found = bans.of_stream(ALICE, name="news", published=True, now=NOW + 4.5)
    assert found is not None
    assert found.info(NOW + 4.5) == "Banned for another 26 s: too loud"
    assert may(bans, ALICE, published=True, now=NOW + 30)
    bans.forget_expired(NOW + 30)
    assert len(bans) == 0


def test_a_later_ban_of_the_same_replaces_the_earlier_one() -> None:
    bans, first, second = table(), order(seconds=600), order(seconds=5)
    bans.ban_session(first, ALICE, NOW)
    (before,) = bans
    bans.ban_session(second, ALICE_AGAIN, NOW)
    (ban,) = bans
    assert (ban.id, ban.until) == (before.id, NOW + 5)
    assert (first.placed, second.placed) == (1, 1)


def test_bans_are_lifted_by_their_ids() -> None:
    bans = table()
    bans.ban_session(order(), ALICE, NOW)
    bans.ban_session(order(), BOB, NOW)
    (of_alice, _) = bans
    assert bans.lift([of_alice.id, "unknown"]) == 1
    assert bans.of_session(ALICE, NOW) is None
    assert bans.of_session(BOB, NOW) is not None


# -- how many ---------------------------------------------------------------------------------------------------------


def test_beyond_the_limit_the_application_with_the_most_loses_its_oldest() -> None:
    bans = table(limit=4)
    bans.ban_session(order(), subject("x", app="small", user="only"), NOW)
    for number in range(10):
        bans.ban_session(order(), subject(f"s{number}", app="large", user=f"user{number}"), NOW)
    assert [ban.who for ban in bans] == ["user:only", "user:user7", "user:user8", "user:user9"]
    assert bans.lifted_early == 7


def test_bans_that_are_over_make_room_first() -> None:
    bans = table(limit=2)
    bans.ban_session(order(seconds=500), subject(user="a"), NOW)
    bans.ban_session(order(seconds=5), subject(user="b"), NOW)
    bans.ban_session(order(), subject(user="c"), NOW + 10)
    assert [ban.who for ban in bans] == ["user:a", "user:c"]
    assert bans.lifted_early == 0


# -- who somebody is --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "user", "has_token"),
    [
        ({"custom": {"login": "alice", "token": "x"}}, "alice", True),
        ({"sipLogin": "1001"}, "1001", False),
        ({"sipLogin": "1001", "custom": {"login": "alice"}}, "alice", False),
        ({"custom": {"token": "\ud800"}}, None, True),
        ({"custom": "text", "sipLogin": 5}, None, False),
        ({"custom": {"login": {"a": 1}, "token": ["x"]}}, None, False),
        ({"custom": {"login": "", "token": ""}}, None, False),
        ({}, None, False),
    ],
)
def test_a_connection_says_who_it_is(body: dict[str, Any], user: str | None, has_token: bool) -> None:
    who = Subject.of_connection(body, app_key="app", session_id="s1", address=None)
    assert who.user == user
    assert (who.token is not None) is has_token
    assert "x" not in (who.token or "")


# -- the file ---------------------------------------------------------------------------------------------------------

BANS = st.builds(
    Ban,
    id=st.text(),
    app_key=st.text(),
    action=st.sampled_from(BanAction),
    name=st.none() | st.text(),
    who=st.none() | st.text(st.characters()),
    created=st.floats(0, 1e11),
    until=st.floats(0, 1e11),
    reason=st.none() | st.text(),
)


@given(st.lists(BANS))
def test_what_is_written_reads_as_it_was(bans: list[Ban]) -> None:
    assert read_bans(write_bans(bans)) == bans


@pytest.mark.parametrize("line", ["x", "[]", "{}", "5", "null", '{"id": "a"}', "[" * 100_000])
def test_anything_else_is_refused_with_its_line(line: str) -> None:
    text = write_bans([Ban(id="a", app_key="b", action=BanAction.PLAY, created=1, until=2)]) + line
    with pytest.raises(BansFileError, match="line 2 is not a ban"):
        read_bans(text)

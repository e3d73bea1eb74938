"""Shared rows as one node has them: what is kept of a row that was removed, and for how long."""

from config.tables.rows import ACCOUNT_ROWS
from protocol.access.accounts import MAX_APPS, MAX_NAME_LENGTH, AccountTable, User
from protocol.access.roles import Role
from protocol.cluster.row_scripts import decode_page
from protocol.cluster.rows import MOST_ROWS_AT_ONCE, TOMBSTONE_MS, RowCopy, RowName, RowPage, SharedRow

ROW = RowName("apps", "news")
NOW = 1_700_000_000_000
HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA"


def removed(*, by_redis: bool) -> RowCopy:
    """A copy in which a row was removed now."""
    copy = RowCopy()
    if by_redis:
        copy.confirm(ROW, SharedRow(text=None, version=NOW))
    else:
        copy.change(ROW, None, NOW)
    return copy


def test_that_a_row_was_removed_is_known_for_a_time_and_then_forgotten() -> None:
    for by_redis in (True, False):
        copy = removed(by_redis=by_redis)
        copy.forget_expired(NOW + TOMBSTONE_MS - 1)
        assert copy.known(["apps"]).keys() == {ROW}
        copy.forget_expired(NOW + TOMBSTONE_MS)
        assert copy.known(["apps"]) == {}
        assert copy.unsent == 0


def test_a_restart_does_not_keep_a_removed_row_for_longer() -> None:
    known = removed(by_redis=True).known(["apps"])
    again = RowCopy()
    again.begin("apps", {}, known, NOW + 1, expiry={})
    assert again.batch()[0][1].expires == NOW + TOMBSTONE_MS
    again.forget_expired(NOW + TOMBSTONE_MS)
    assert again.batch() == []


def test_a_row_of_the_greatest_length_that_a_table_allows_is_taken_in() -> None:
    apps = frozenset(f"{number:😀>{MAX_NAME_LENGTH}}" for number in range(MAX_APPS))
    user = User(name="x", role=Role.VIEW, apps=apps, password_hash=HASH)
    ((key, text),) = ACCOUNT_ROWS.texts(AccountTable(users=(user,))).items()
    copy = RowCopy()
    copy.take_in(RowPage(boot="x", rows=((RowName("accounts", key), SharedRow(text=text, version=1)),), place=1))
    assert copy.texts("accounts", NOW) == {key: text}


def test_a_row_that_is_none_hinders_no_other_and_is_written_again_by_who_has_it() -> None:
    reply = ["boot", "apps news", "5", "garbage", "apps other", "6", "6 0 text", "apps bad", "inf", "7 0 text"]
    page = decode_page(reply)
    assert page.rows == ((RowName("apps", "other"), SharedRow(text="text", version=6)),)
    assert (page.faulty, page.place, page.is_last) == ((ROW, RowName("apps", "bad")), 6, True)
    copy = RowCopy()
    copy.confirm(ROW, SharedRow(text="mine", version=NOW))
    assert copy.take_in(page) == {"apps"}
    assert [name for name, _ in copy.batch()] == [ROW]


def test_a_page_of_nothing_that_can_be_understood_is_the_last_one() -> None:
    rows = [text for number in range(MOST_ROWS_AT_ONCE) for text in (f"apps {number}", "inf", "1 0 x")]
    assert decode_page(["boot", *rows]).is_last

"""Shared rows as one node has them: what is kept of a row that was removed, and for how long."""

from config.table_rows import ACCOUNT_ROWS
from protocol.access.accounts import MAX_APPS, MAX_NAME_LENGTH, AccountTable, User
from protocol.access.roles import Role
from protocol.cluster.rows import TOMBSTONE_MS, RowCopy, RowName, RowPage, SharedRow

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

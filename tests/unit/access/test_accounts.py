"""Users and tokens: what they may be, and their file."""

import contextlib
import re
import tomllib

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from config.tables.accounts_file import AccountFileError, read_accounts, write_accounts
from protocol.access.accounts import (
    AccountError,
    AccountTable,
    Token,
    User,
    check_name,
    check_password,
    new_token,
    token_digest,
)
from protocol.access.roles import Role

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaA"
ALICE = User(name="alice", password_hash=HASH, role=Role.ADMIN)
BACKEND = Token(name="backend", digest=token_digest("wcsd_x"), role=Role.OPERATE, expires="2027-01-31")

names = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters=",:"), min_size=1, max_size=30).filter(
    lambda name: not name.startswith("-")
)
apps = st.none() | st.frozensets(st.text(st.characters(exclude_categories=["C"]), min_size=1), min_size=1, max_size=3)
roles = st.sampled_from(Role)
users = st.builds(User, name=names, password_hash=st.just(HASH), role=roles, apps=apps, is_active=st.booleans())
tokens = st.builds(
    Token,
    name=names,
    digest=st.binary(min_size=32, max_size=32).map(bytes.hex),
    role=roles,
    apps=apps,
    expires=st.none() | st.dates().map(str),
    last_used=st.none() | st.dates().map(str),
)


@given(st.lists(users, unique_by=lambda user: user.name), st.lists(tokens, unique_by=lambda token: token.name))
def test_a_table_is_the_same_after_its_file(some_users: list[User], some_tokens: list[Token]) -> None:
    table = AccountTable(tuple(some_users), tuple(some_tokens))
    text = write_accounts(table)
    assert tomllib.loads(text)["format"] == 1
    assert read_accounts(text, file_name="users.toml") == table


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('"admin"', '"root"'), "f:8: role: must be one of metrics, view, operate, admin"),
        (('name = "alice"', 'name = "a b"'), "f:6: name: 'a b' must not start with '-' or hold a blank"),
        (('name = "alice"', "name = 5"), "f:6: name: must be text"),
        (("is_active", "isactive"), "f:9: isactive: unknown key (did you mean 'is_active'?)"),
        (("is_active = true", "is_active = 1"), "f:9: is_active: must be true or false"),
        (("argon2id", "md5"), "f:7: password_hash: must be an argon2id hash"),
        (('name = "alice"\n', ""), "f:5: name: is missing"),
        (("2027-01-31", "soon"), "f:15: expires: must be a day such as 2027-01-31"),
        (("format = 1", ""), "f: 'format = 1' is missing: not a whole file of users"),
        (("[[token]]", "[token]"), "f: tokens are written [[token]], with two brackets"),
        (("[[user]]", "[[users]]"), "f: unknown key 'users' (did you mean 'user'?)"),
        (('"alice"', '"ali'), "f:6: Illegal character"),
        (('[[token]]\nname', f'[[user]]\nname = "alice"\npassword_hash = "{HASH}"\nrole = "view"\n[[token]]\nname'),
         "f:12: name: there are two of the name 'alice'"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_refused_with_its_place(change: tuple[str, str], told: str) -> None:
    text = write_accounts(AccountTable((ALICE,), (BACKEND,))).replace(*change)
    with pytest.raises(AccountFileError, match="^" + re.escape(told)):
        read_accounts(text, file_name="f")


@given(st.text())
def test_any_text_is_a_table_or_an_error(text: str) -> None:
    with contextlib.suppress(AccountFileError):
        assert read_accounts(text, file_name="f") is not None


@pytest.mark.parametrize("name", ["", "-a", "a b", "a,b", "a:b", "a\x1b", "x" * 129, 5])
def test_names_that_are_refused(name: object) -> None:
    with pytest.raises(AccountError):
        check_name(name)


@pytest.mark.parametrize("password", ["", "x" * 1025, "a\nb"])
def test_passwords_that_are_refused(password: str) -> None:
    with pytest.raises(AccountError) as caught:
        check_password(password)
    assert password not in str(caught.value) or not password


def test_secrets_do_not_appear_in_texts_of_objects() -> None:
    assert HASH not in repr(AccountTable((ALICE,), (BACKEND,)))
    assert BACKEND.digest not in repr(BACKEND)


def test_a_token_is_valid_to_the_end_of_its_last_day() -> None:
    assert BACKEND.is_valid_on("2027-01-31")
    assert not BACKEND.is_valid_on("2027-02-01")
    assert evolve(BACKEND, expires=None).is_valid_on("9999-12-31")


def test_who_can_log_in_at_all() -> None:
    assert not AccountTable().has_credentials("2027-01-01")
    assert AccountTable((ALICE,)).has_credentials("2027-01-01")
    assert not AccountTable((evolve(ALICE, is_active=False),)).has_credentials("2027-01-01")
    assert AccountTable((), (BACKEND,)).has_credentials("2027-01-01")
    assert not AccountTable((), (BACKEND,)).has_credentials("2027-02-01")


def test_a_change_replaces_what_has_the_name() -> None:
    table = AccountTable().with_user(ALICE).with_token(BACKEND)
    viewer = evolve(ALICE, role=Role.VIEW)
    assert table.with_user(viewer).users == (viewer,)
    assert table.without_user("alice").users == ()
    assert table.without_token("backend").token_by_digest(BACKEND.digest) is None


def test_tokens_are_unlike_and_are_found_by_their_digest() -> None:
    token = new_token(bytes(32))
    assert token == "wcsd_" + "A" * 43
    assert token_digest(token) != token_digest(new_token(bytes(31) + b"\1"))

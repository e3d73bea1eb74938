"""Hashes of passwords: what they are, and that an unknown user costs as much as a known one."""

import threading
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from argon2 import extract_parameters
from argon2.exceptions import VerifyMismatchError
from argon2.low_level import verify_secret

from actors.access import password_hash
from actors.access.password_hash import PasswordHashing
from protocol.access.credentials import Basic
from protocol.access.refusals import LoginRefused
from tests.support.web.access import access_of, user


async def test_a_hash_names_its_cost_and_matches_its_password_alone() -> None:
    hashing = PasswordHashing()
    known = await hashing.hash("päss")
    assert known.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert known != await hashing.hash("päss"), "each has a salt"
    assert await hashing.matches("päss", known)
    assert not await hashing.matches("pass", known)
    assert not await hashing.matches("päss", "$argon2id$broken")


async def test_an_unknown_user_costs_as_much_as_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str] = []

    def verify(known: bytes, *given: Any) -> bool:
        try:
            return verify_secret(known, *given)
        except VerifyMismatchError:
            compared.append(known.decode())  # it was hashed to the end, and is not the same
            raise

    monkeypatch.setattr(password_hash, "verify_secret", verify)
    hashing = PasswordHashing()
    known = await hashing.hash("password")
    for each in (known, None):
        assert not await hashing.matches("another", each)
    (one, other) = map(extract_parameters, compared)
    assert one == other, "which is all that the cost of a hash depends on"


async def test_who_waits_for_a_comparison_that_is_broken_off_compares_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(password_hash, "verify_secret", lambda *given: gate.wait(60) and verify_secret(*given))
    access = access_of(tmp_path / "users.toml", user("alice"))
    right, found = Basic("alice", "alice-secret"), []

    async def keep_busy() -> None:
        with pytest.raises(LoginRefused):
            await access.passwords.log_in(Basic("nobody", "x"), "192.0.2.9")

    async def log_in() -> None:
        found.append((await access.passwords.log_in(right, "192.0.2.1")).name)

    async with trio.open_nursery() as nursery, trio.open_nursery() as leaving:
        nursery.start_soon(keep_busy)
        await trio.testing.wait_all_tasks_blocked()
        leaving.start_soon(log_in)  # waits for the thread
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(log_in)  # waits for that one
        await trio.testing.wait_all_tasks_blocked()
        leaving.cancel_scope.cancel()
        gate.set()
    assert found == ["alice"]


async def test_who_waits_for_a_comparison_that_fails_is_refused_and_it_counts_once(tmp_path: Path) -> None:
    access = access_of(tmp_path / "users.toml", user("alice"))
    refused: list[str] = []

    async def log_in() -> None:
        with pytest.raises(LoginRefused) as caught:
            await access.passwords.log_in(Basic("alice", "wrong"), "192.0.2.1")
        refused.append(caught.value.message)

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(log_in)
    assert refused == ["wrong user or password"] * 20
    assert (access.hashing.hashed, access.passwords.refused) == (1, 1)

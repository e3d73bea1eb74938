"""Hashes of passwords: what they are, and that an unknown user costs as much as a known one."""

import resource

from actors.access.password_hash import PasswordHashing


def cpu() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


async def test_a_hash_names_its_cost_and_matches_its_password_alone() -> None:
    hashing = PasswordHashing()
    known = await hashing.hash("päss")
    assert known.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert known != await hashing.hash("päss"), "each has a salt"
    assert await hashing.matches("päss", known)
    assert not await hashing.matches("pass", known)
    assert not await hashing.matches("päss", "$argon2id$broken")


async def test_an_unknown_user_costs_as_much_as_a_known_one() -> None:
    hashing = PasswordHashing()
    known = await hashing.hash("password")
    costs = []
    for compared in (known, None):
        before = cpu()
        for _ in range(4):
            assert await hashing.matches("password", compared) is (compared is not None)
        costs.append(cpu() - before)
    assert 0.3 < costs[0] / costs[1] < 3

"""Records of DNS about SIP servers that a test makes up."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from attrs import define, field

from actors.calls.sip.access import uniform
from actors.calls.sip.dns_records import NoDnsAnswer, ServerRecords
from protocol.sip.accounts.locating import NaptrRecord, SrvRecord

T = TypeVar("T")


@define(eq=False)
class MemoryRecords:
    """DNS in memory. `fails`: nobody answers."""

    services: Mapping[str, Sequence[SrvRecord]] = field(factory=dict)
    preferences: Mapping[str, Sequence[NaptrRecord]] = field(factory=dict)
    ttl: float = 300.0
    fails: bool = False
    asked: list[str] = field(factory=list)

    async def srv(self, name: str) -> tuple[Sequence[SrvRecord], float]:
        return self._answer(name, self.services.get(name, ()))

    async def naptr(self, name: str) -> tuple[Sequence[NaptrRecord], float]:
        return self._answer(name, self.preferences.get(name, ()))

    def _answer(self, name: str, found: Sequence[T]) -> tuple[Sequence[T], float]:
        self.asked.append(name)
        if self.fails:
            raise NoDnsAnswer("no server answers")
        return found, self.ttl


NO_RECORDS: Final = ServerRecords(MemoryRecords(), uniform)
"""Every domain has one server, at its own address."""

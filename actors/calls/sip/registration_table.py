"""The registrations of this node: which account, at which server, and how it is with it."""

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from protocol.sip.accounts.account_states import RegistrationDescription, RegistrationState


class ListedRegistration(Protocol):
    """A registration as the table sees it."""

    def describe(self) -> RegistrationDescription: ...


class RegistrationTable:
    """See above; oldest first."""

    def __init__(self) -> None:
        self._registrations: dict[ListedRegistration, None] = {}

    def __iter__(self) -> Iterator[RegistrationDescription]:
        return (each.describe() for each in self._registrations)

    def add(self, registration: ListedRegistration) -> None:
        """It begins."""
        self._registrations[registration] = None

    def remove(self, registration: ListedRegistration) -> None:
        """It is over. Idempotent."""
        self._registrations.pop(registration, None)

    def counts(self) -> Counter[RegistrationState]:
        """How many are in each state."""
        return Counter(each.state for each in self)

"""Something for many receivers that is written once in each of their protocols."""

from collections.abc import Callable
from typing import Any, Self, TypeVar

F = TypeVar("F")
S = TypeVar("S", bound="SharedForms")


class SharedForms:
    """What has a form in each protocol, and is written in it once for all receivers."""

    __slots__ = ("_forms",)

    def __init__(self) -> None:
        self._forms: dict[Callable[[Any], Any], Any] = {}

    def form(self, make: Callable[[Self], F]) -> F:
        """The form that `make` writes. `make` must be the same object each time, and must not keep its argument."""
        made: F | None = self._forms.get(make)
        if made is None:
            made = self._forms[make] = make(self)
        return made

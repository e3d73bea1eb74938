"""How often kept hooks have been sent in vain since they were kept, as far as that is not on disk yet."""

from collections.abc import Mapping
from itertools import islice

from attrs import evolve

from protocol.hooks.kept_hook import KeptHook


class KeptAttempts:
    """Attempts by the numbers of hooks: at most one entry for each that is kept."""

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def note(self, number: int, attempts: int) -> None:
        """A hook has been sent so often."""
        self._counts[number] = attempts

    def forget(self, number: int) -> None:
        """The hook is kept no longer."""
        self._counts.pop(number, None)

    def counted(self, hook: KeptHook) -> KeptHook:
        """The hook with the attempts that are known here."""
        return evolve(hook, attempts=max(hook.attempts, self._counts.get(hook.number, 0)))

    def some(self, most: int) -> Mapping[int, int]:
        """Those to write next."""
        return dict(islice(self._counts.items(), most))

    def written(self, counts: Mapping[int, int]) -> None:
        """These are on disk. What has grown meanwhile is to be written again."""
        for number, attempts in counts.items():
            if self._counts.get(number) == attempts:
                del self._counts[number]

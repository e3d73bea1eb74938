"""Kept hooks that are not on disk yet, oldest first, and which of them to give up if there are too many."""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice

from protocol.hooks.kept_hook import KeptHook


class UnwrittenHooks:
    """In the order of their numbers. Those that are being written are `under way`, and cannot be given up."""

    def __init__(self) -> None:
        self.size = 0
        """Bytes of all of them."""
        self._hooks: OrderedDict[int, KeptHook] = OrderedDict()
        self._plain: OrderedDict[int, None] = OrderedDict()
        self._ends: OrderedDict[int, None] = OrderedDict()
        """Numbers of those that are not under way; these report an end."""
        self._under_way: dict[int, KeptHook] = {}

    def __len__(self) -> int:
        return len(self._hooks)

    def __iter__(self) -> Iterator[KeptHook]:
        return iter(self._hooks.values())

    def of_app(self, app_key: str) -> Iterator[KeptHook]:
        """Those of one application, in order."""
        return (hook for hook in self if hook.app_key == app_key)

    def add(self, hook: KeptHook) -> None:
        """One more; its number is the highest."""
        self._hooks[hook.number] = hook
        self._of_its_kind(hook)[hook.number] = None
        self.size += hook.size

    def take_back(self, number: int) -> bool:
        """Forget one; false if it is on disk already, or about to be."""
        hook = None if number in self._under_way else self._hooks.get(number)
        if hook is None:
            return False
        del self._of_its_kind(hook)[number]
        self._remove(hook)
        return True

    def begin(self, most: int) -> tuple[KeptHook, ...]:
        """The oldest, which are under way from now on."""
        hooks = tuple(islice(self, most))
        for hook in hooks:
            del self._of_its_kind(hook)[hook.number]
        self._under_way = {hook.number: hook for hook in hooks}
        return hooks

    def end(self, *, is_written: bool) -> None:
        """Those under way have been written, or have to be written again."""
        hooks, self._under_way = self._under_way, {}
        for hook in reversed(hooks.values()):
            if is_written:
                self._remove(hook)
            else:
                waiting = self._of_its_kind(hook)
                waiting[hook.number] = None
                waiting.move_to_end(hook.number, last=False)

    def most_dispensable(self) -> KeptHook | None:
        """The oldest that reports no end, or else the oldest of all; None if all are under way."""
        number = next(iter(self._plain or self._ends), None)
        return None if number is None else self._hooks[number]

    def _remove(self, hook: KeptHook) -> None:
        del self._hooks[hook.number]
        self.size -= hook.size

    def _of_its_kind(self, hook: KeptHook) -> OrderedDict[int, None]:
        return self._ends if hook.last else self._plain

"""What is kept, in numbers: by application, and how many wait of each lane of this run of the server."""

from collections import Counter
from collections.abc import Mapping

from attrs import evolve

from actors.storage.hook_spool import AppTotals, RemovedRow
from protocol.hooks.kept_hook import KeptHook

NOTHING = AppTotals()


class SpoolIndex:
    """Knows of every kept hook, on disk or not.

    Lanes of earlier runs are only counted, for nothing more comes in them: unless all sessions share one order, in
    which what is new comes after them.
    """

    def __init__(self) -> None:
        self.totals: dict[str, AppTotals] = {}
        self.next_number = 1
        self._own_from = 1
        self._is_one_lane = False
        self._lanes: Counter[tuple[str, str]] = Counter()

    def begin(self, totals: Mapping[str, AppTotals], highest: int, *, is_one_lane: bool = False) -> None:
        """What an earlier run has left, and its last number. `is_one_lane`: all sessions share one order."""
        self.totals = dict(totals)
        self.next_number = self._own_from = highest + 1
        self._is_one_lane = is_one_lane
        if is_one_lane:
            self._lanes.update({(key, ""): total.rows for key, total in totals.items()})

    def is_waiting(self, app_key: str, lane: str) -> bool:
        """Whether something of the lane waits."""
        return (app_key, lane) in self._lanes

    def add(self, hook: KeptHook) -> None:
        """One more; its number is the next."""
        self.next_number = hook.number + 1
        self._lanes[hook.app_key, hook.lane] += 1
        before = self.totals.get(hook.app_key, NOTHING)
        self.totals[hook.app_key] = AppTotals(
            rows=before.rows + 1,
            ends=before.ends + hook.last,
            size=before.size + hook.size,
            oldest=hook.event_time if before.oldest is None else before.oldest,
        )

    def remove(self, row: RemovedRow) -> None:
        """One fewer."""
        before = self.totals.get(row.app_key, NOTHING)
        if before.rows > 1:
            self.totals[row.app_key] = evolve(
                before, rows=before.rows - 1, ends=before.ends - row.last, size=before.size - row.size
            )
        else:
            self.totals.pop(row.app_key, None)
        if row.number >= self._own_from or self._is_one_lane:
            lane = row.app_key, "" if self._is_one_lane else row.lane
            self._lanes[lane] -= 1
            if self._lanes[lane] <= 0:
                del self._lanes[lane]

    def note_oldest(self, oldest: Mapping[str, float]) -> None:
        """When the oldest hook of each application has happened."""
        for key, when in oldest.items():
            if key in self.totals:
                self.totals[key] = evolve(self.totals[key], oldest=when)

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(total.rows for total in self.totals.values())

    @property
    def size(self) -> int:
        """Their bytes."""
        return sum(total.size for total in self.totals.values())

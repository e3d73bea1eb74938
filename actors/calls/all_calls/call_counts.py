"""What calls count, since the start and now."""

from collections import Counter
from typing import Final

from attrs import define, field

PAGE, PHONE = "page", "phone"
COMPLETED, FAILED, REFUSED = "completed", "failed", "refused"
RESULTS: Final = (COMPLETED, FAILED, REFUSED)


@define(eq=False)
class CallCounts:
    """`started` by direction, `ended` by the last status, `digits` sent for pages; `refused` by what refused them.

    `transfers` by who has ordered them, PAGE or PHONE, and how they have ended, one of RESULTS.
    """

    running: int = 0
    up: int = 0
    seconds: float = 0.0
    """Of calls that have ended, from the answer on."""
    digits: int = 0
    started: Counter[str] = field(factory=Counter)
    ended: Counter[str] = field(factory=Counter)
    refused: Counter[str] = field(factory=Counter)
    transfers: Counter[tuple[str, str]] = field(factory=Counter)

    def began(self, *, incoming: bool) -> None:
        """A call begins."""
        self.running += 1
        self.started["in" if incoming else "out"] += 1

    def transferred(self, by: str, result: str) -> None:
        """A transfer is over, or was refused."""
        self.transfers[by, result] += 1

    def over(self, status: str, seconds: float | None) -> None:
        """A call is over, `seconds` after it was answered; None if it never was."""
        self.running -= 1
        self.ended[status] += 1
        if seconds is not None:
            self.up -= 1
            self.seconds += seconds

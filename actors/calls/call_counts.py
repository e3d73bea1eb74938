"""What calls count, since the start and now."""

from collections import Counter

from attrs import define, field


@define(eq=False)
class CallCounts:
    """`started` by direction, `ended` by the last status, `digits` sent for pages; `refused` by what refused them."""

    running: int = 0
    up: int = 0
    seconds: float = 0.0
    """Of calls that have ended, from the answer on."""
    digits: int = 0
    started: Counter[str] = field(factory=Counter)
    ended: Counter[str] = field(factory=Counter)
    refused: Counter[str] = field(factory=Counter)

    def began(self, *, incoming: bool) -> None:
        """A call begins."""
        self.running += 1
        self.started["in" if incoming else "out"] += 1

    def over(self, status: str, seconds: float | None) -> None:
        """A call is over, `seconds` after it was answered; None if it never was."""
        self.running -= 1
        self.ended[status] += 1
        if seconds is not None:
            self.up -= 1
            self.seconds += seconds

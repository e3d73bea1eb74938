"""What is counted of reloads of the settings."""

from collections import Counter


class ReloadCounts:
    """Counters since the start. `last`: when the settings were last read, in seconds since 1970; 0: not since."""

    def __init__(self) -> None:
        self.results: Counter[str] = Counter(ok=0, refused=0)
        self.last = 0.0

    def taken(self, now: float) -> None:
        """They are in force."""
        self.results["ok"] += 1
        self.last = now

    def refused(self) -> None:
        """A server could not start with them: nothing has changed."""
        self.results["refused"] += 1

"""What has come from a client, and how much of it waits to be handled."""

MAX_WAITING = 8 * 1024 * 1024
"""Characters that may wait in a session's mailbox, whose frames may be large."""


class Inflow:
    """Counts texts on their way from the socket to the handler."""

    def __init__(self) -> None:
        self.frames = 0
        self.characters = 0
        self._waiting = 0

    @property
    def totals(self) -> dict[str, object]:
        """What came in all, for the log line of the session's end."""
        return {"packets": self.frames, "bytes": self.characters}

    def arrive(self, size: int) -> bool:
        """One more text. False when more waits than may."""
        self.frames += 1
        self.characters += size
        self._waiting += size
        return self._waiting <= MAX_WAITING

    def leave(self, size: int) -> None:
        """A text is being handled."""
        self._waiting -= size

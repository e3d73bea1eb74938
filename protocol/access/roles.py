"""The roles of callers: each includes what the ones before it may do."""

from enum import IntEnum


class Role(IntEnum):
    """What a caller may do, in ascending order, so `caller >= needed` is the whole check. As text: `view`."""

    METRICS = 1
    """Read the metrics, and nothing else."""
    VIEW = 2
    """See streams, sessions, statistics and events."""
    OPERATE = 3
    """Act on streams and sessions: terminate them, send data."""
    ADMIN = 4
    """Change the server itself: applications, users, tokens, settings."""

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def parse(cls, text: str) -> "Role":
        """The role of that name. ValueError, which lists the roles, for any other text."""
        for role in cls:
            if str(role) == text:
                return role
        raise ValueError(f"must be one of {', '.join(map(str, cls))}")

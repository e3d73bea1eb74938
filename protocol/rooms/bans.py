"""Who must not join a room again for a while, after having been kicked: pages join again at once."""

from collections import OrderedDict
from typing import Final

RoomKey = tuple[str, str]
"""An application's key and a room's name."""
MAX_BANS: Final = 10_000
"""Bans that are kept. Beyond that the oldest are forgotten."""


class RoomBans:
    """Bans by room, each of a login or a session. Times are seconds of any monotonic clock."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[RoomKey, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._until)

    def add(self, room: RoomKey, *, login: str, session_id: str, until: float) -> None:
        """Forbid this login, and this session under any login, to join `room` until then."""
        for who in (_login(login), session_id):
            self._until[room, who] = until
            self._until.move_to_end((room, who))
        while len(self._until) > MAX_BANS:
            self._until.popitem(last=False)

    def forbids(self, room: RoomKey, *, login: str, session_id: str, now: float) -> bool:
        """Whether one of the two is banned. What is over is forgotten."""
        return any(self._holds((room, who), now) for who in (_login(login), session_id))

    def _holds(self, key: tuple[RoomKey, str], now: float) -> bool:
        until = self._until.get(key)
        if until is not None and until <= now:
            del self._until[key]
            return False
        return until is not None


def _login(login: str) -> str:
    """A login as a key: no session id looks like it, since those start with a slash."""
    return f"login:{login}"

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
        self._bans: OrderedDict[tuple[RoomKey, str], tuple[float, str]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._bans)

    def add(self, room: RoomKey, *, login: str, session_id: str, until: float, info: str) -> None:
        """Forbid this login, and this session under any login, to join `room` until then; `info` tells why."""
        for who in (_login(login), session_id):
            self._bans[room, who] = until, info
            self._bans.move_to_end((room, who))
        while len(self._bans) > MAX_BANS:
            self._bans.popitem(last=False)

    def refusal(self, room: RoomKey, *, login: str, session_id: str, now: float) -> str | None:
        """Why one of the two must not join; None if neither is banned. What is over is forgotten."""
        return self._info((room, _login(login)), now) or self._info((room, session_id), now)

    def _info(self, key: tuple[RoomKey, str], now: float) -> str | None:
        until, info = self._bans.get(key, (now, None))
        if until <= now:
            self._bans.pop(key, None)
            return None
        return info


def _login(login: str) -> str:
    """A login as a key: no session id looks like it, since those start with a slash."""
    return f"login:{login}"

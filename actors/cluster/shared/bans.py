"""The bans of all nodes: one that is placed or lifted on any of them holds, or does not, on all."""

import hashlib
import json
import time
from collections.abc import Callable

import trio

from actors.cluster.shared.tables import SharedTables
from actors.node.bans import Bans
from actors.runtime.logs import RateLimitedLog, get_logger
from protocol.access.bans import Ban
from protocol.access.bans_file import BansFileError, read_bans, write_ban
from protocol.cluster.rows import differences

log = get_logger("cluster")


class SharedBans:
    """Implements `actors.cluster.shared.tables.Participant`."""

    table = "bans"
    is_kept = True
    """What cannot be written to the file is logged there."""

    def __init__(self, tables: SharedTables, bans: Bans, *, wall_clock: Callable[[], float] = time.time) -> None:
        self._tables, self._bans, self._clock = tables, bans, wall_clock
        self._agreed = self._texts()
        """What the rows were when both were the same."""
        self._log = RateLimitedLog(log, clock=trio.current_time)
        bans.share = self._share
        tables.add(self, self._agreed, expiry={_key(ban): self._expiry(ban) for ban in bans.active()})

    async def adopt(self) -> None:
        self._put_changes()
        self._agreed = self._tables.texts(self.table)
        self._bans.replace(self._read())
        await self._bans.keep()

    async def _share(self) -> None:
        self._put_changes()
        await self._tables.refresh()

    def _put_changes(self) -> None:
        """What was placed or lifted here since."""
        now = self._texts()
        expiry = {_key(ban): self._expiry(ban) for ban in self._bans.active()}
        still_there = self._tables.texts(self.table)
        for key, text in differences(self._agreed, now).items():
            if text is not None or key in still_there:  # one whose time is over is gone everywhere
                self._tables.put(self.table, key, text, expires=expiry.get(key, 0))
        self._agreed = now

    def _texts(self) -> dict[str, str]:
        return {_key(ban): write_ban(ban) for ban in self._bans.active()}

    def _expiry(self, ban: Ban) -> int:
        return int(self._tables.now_ms() + (ban.until - self._clock()) * 1000)

    def _read(self) -> list[Ban]:
        bans = []
        for text in self._agreed.values():
            try:
                bans += read_bans(text)
            except BansFileError as error:
                self._log.warning("a row of a shared table is not in force", table=self.table, cause=error)
        return bans


def _key(ban: Ban) -> str:
    """Of two bans of an application that forbid the same, the later one counts."""
    what = json.dumps([ban.app_key, ban.action, ban.name, ban.who])
    return hashlib.sha256(what.encode(errors="surrogatepass")).hexdigest()[:32]

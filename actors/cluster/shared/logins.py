"""Logins over all nodes: any of them knows a page or a link that another one has let in, and who fails to log in.

Of secrets only digests are shared. Pages and links are rows that expire; failures are notices, which may be lost.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import trio

from actors.cluster.membership import Membership
from actors.cluster.registry.registry import Registry, RegistryUnavailable
from actors.cluster.shared.tables import SharedTables
from actors.node.ports.login import NotShared
from protocol.cluster.messages import Notice

MOST_WAITING: Final = 256
"""Notices about logins that wait for Redis; further ones are not sent."""
TABLES: Final = ("pages", "links")


class SharedLogins:
    """Implements `actors.node.ports.login.LoginPort`. `run` sends what is to be told."""

    def __init__(self, registry: Registry, tables: SharedTables, membership: Membership) -> None:
        self.on_failure: Callable[[str], None] = lambda address: None
        self.on_login: Callable[[str], None] = lambda address: None
        self._registry, self._tables, self._membership = registry, tables, membership
        self._send, self._waiting = trio.open_memory_channel[Notice](MOST_WAITING)
        for table in TABLES:
            tables.add(_Kind(table), None)

    async def put(self, table: str, digest: str, text: str, *, seconds: float) -> None:
        self._tables.put(table, digest, text, expires=self._in(seconds))
        await self._tables.refresh()

    def get(self, table: str, digest: str) -> str | None:
        return self._tables.text(table, digest)

    def drop(self, table: str, digest: str, *, seconds: float) -> None:
        if self.get(table, digest) is not None:
            self._tables.put(table, digest, None, expires=self._in(seconds))

    async def take(self, table: str, digest: str) -> str | None:
        await self._tables.refresh()  # it may have been made here while Redis was away
        try:
            return await self._tables.take(table, digest)
        except RegistryUnavailable:
            raise NotShared from None

    async def refresh(self) -> None:
        await self._tables.refresh()

    def failed(self, address: str) -> None:
        self._tell(Notice.LOGIN_FAILED, address)

    def logged_in(self, address: str) -> None:
        self._tell(Notice.LOGGED_IN, address)

    def hear(self, notice: Notice) -> None:
        """What another node tells."""
        if notice.sender == self._membership.member:
            return
        if notice.about == Notice.LOGIN_FAILED:
            self.on_failure(notice.value)
        elif notice.about == Notice.LOGGED_IN:
            self.on_login(notice.value)

    async def run(self) -> None:
        """Send, until cancelled."""
        async for notice in self._waiting:
            if self._membership.is_up:
                with suppress(RegistryUnavailable):  # then each node counts for itself
                    await self._registry.send(notice.encode(), logged=False)

    def _tell(self, about: str, address: str) -> None:
        with suppress(trio.WouldBlock):
            self._send.send_nowait(Notice(about=about, sender=self._membership.member or "", value=address))

    def _in(self, seconds: float) -> int:
        return int(self._tables.now_ms() + seconds * 1000)


class _Kind:
    """A table that only `get` looks at, so there is nothing to adopt."""

    is_kept = True

    def __init__(self, table: str) -> None:
        self.table = table

    async def adopt(self) -> None:
        return

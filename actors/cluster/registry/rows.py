"""What a node asks of the registry about shared tables: implemented over Redis, and in memory for tests."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from protocol.cluster import row_scripts
from protocol.cluster.row_scripts import Written, field_of
from protocol.cluster.rows import RowName, RowPage, SharedRow
from protocol.cluster.scripts import Script, reply_texts

Rows = Sequence[tuple[RowName, SharedRow]]


class RowRegistry(Protocol):
    """Every method raises RegistryUnavailable. `message`: what all members are told if something has changed."""

    async def read(self, place: int, *, boot: str) -> RowPage:
        """The changes after a place. `boot`: a value for it, if Redis has none."""

    async def change(self, table: str, rows: Rows, *, boot: str, place: int, message: str) -> Written:
        """Rows of one table, unless somebody has changed it after `place`. Their versions are chosen by Redis."""

    async def merge(self, rows: Rows, *, boot: str, message: str) -> Written:
        """Rows of any tables, each if its version is higher than the one that is there."""

    async def take(self, name: RowName, *, message: str) -> str | None:
        """The text of a row, which is removed; None if it is not there."""


Run = Callable[..., Coroutine[Any, Any, Any]]


class RedisRows:
    """Implements `RowRegistry`. `run`: carries out a script; `channel`: of the messages to all."""

    def __init__(self, run: Run, channel: str) -> None:
        self._run, self._channel = run, channel

    async def read(self, place: int, *, boot: str) -> RowPage:
        page: RowPage = await self._run(row_scripts.READ_ROWS, row_scripts.decode_page, place, boot)
        return page

    async def change(self, table: str, rows: Rows, *, boot: str, place: int, message: str) -> Written:
        texts = [each for name, row in rows for each in (field_of(name), row.expires, row.text or "")]
        return await self._write(row_scripts.CHANGE_ROWS, boot, table, place, self._channel, message, *texts)

    async def merge(self, rows: Rows, *, boot: str, message: str) -> Written:
        texts = [each for name, row in rows for each in (field_of(name), row.version, row.expires, row.text or "")]
        return await self._write(row_scripts.MERGE_ROWS, boot, self._channel, message, *texts)

    async def take(self, name: RowName, *, message: str) -> str | None:
        def decode(reply: Any) -> str:
            return reply_texts([reply], 1)[0]

        text: str = await self._run(row_scripts.TAKE_ROW, decode, field_of(name), self._channel, message)
        return text or None

    async def _write(self, script: Script, *arguments: str | int) -> Written:
        written: Written = await self._run(script, row_scripts.decode_written_rows, *arguments)
        return written

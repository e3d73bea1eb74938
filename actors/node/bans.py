"""The bans of this node, and the file that keeps them over a restart.

A stream or session that is stopped for a reason with a ban places it while it stops, so that its client, which may try
again at once, finds it in place. The request that ordered the bans then has them written before it is answered.
"""

import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import trio

from actors.runtime.actor import StopReason
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.storage.atomic_write import write_durably
from protocol.access.bans import Ban, BanTable
from protocol.access.bans_file import BansFileError, read_bans, write_bans
from protocol.access.kicks import Kick, Subject

log = get_logger("bans")

MAX_BANS = 10_000


class Bans:
    """All bans of one node; kept in the file at `path`, or only as long as the process runs."""

    def __init__(
        self, bans: Iterable[Ban] = (), *, path: Path | None = None, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._table = BanTable(bans, limit=MAX_BANS, make_id=lambda: uuid.uuid4().hex)
        self._path = path
        self._clock = wall_clock
        self.share: Callable[[], Awaitable[None]] | None = None
        """In a cluster: tells the other nodes what has changed."""
        self.watchers: list[Callable[[], None]] = []
        """Called when there may be others; they must not wait."""
        self._saving = trio.Lock()
        self._written: tuple[Ban, ...] | None = None
        self._log = RateLimitedLog(log, clock=trio.current_time)

    @property
    def count(self) -> int:
        """How many are in force, or have expired just now."""
        return len(self._table)

    # -- placed by what is stopped -----------------------------------------------------------------

    def session_stopped(self, reason: StopReason, subject: Subject) -> None:
        """Place the ban that `reason` orders, if any, on the one who had this session."""
        if reason.kick is not None and reason.kick.ban is not None:
            self._table.ban_session(reason.kick.ban, subject, self._clock())

    def stream_stopped(self, reason: StopReason, subject: Subject, *, name: str, published: bool) -> None:
        """The same for a stream."""
        if reason.kick is not None and reason.kick.ban is not None:
            self._table.ban_stream(reason.kick.ban, subject, name=name, published=published, now=self._clock())

    def member_removed(self, kick: Kick, subject: Subject, *, room: str) -> None:
        """Place the ban that `kick` orders, if any, on the one who was in this room."""
        if kick.ban is not None:
            self._table.ban_member(kick.ban, subject, room=room, now=self._clock())

    # -- asked at each start -----------------------------------------------------------------------

    def refusal_of_session(self, subject: Subject) -> str | None:
        """Why this client must not connect; None if it may."""
        now = self._clock()
        return self._told(self._table.of_session(subject, now), subject, now)

    def keeps_out(self, subject: Subject) -> bool:
        """Whether this client could not connect now."""
        return self._table.of_session(subject, self._clock()) is not None

    def refusal_of_stream(self, subject: Subject, *, name: str, published: bool) -> str | None:
        """Why this owner must not publish or play a stream of that name; None if it may."""
        now = self._clock()
        return self._told(self._table.of_stream(subject, name=name, published=published, now=now), subject, now)

    def refusal_of_member(self, subject: Subject, *, room: str) -> str | None:
        """Why this client must not join that room; None if it may."""
        now = self._clock()
        return self._told(self._table.of_member(subject, room=room, now=now), subject, now)

    def _told(self, ban: Ban | None, subject: Subject, now: float) -> str | None:
        if ban is None:
            return None
        self._log.info("refused by a ban", session=subject.session_id, ban=ban.id, action=str(ban.action))
        return ban.info(now)

    # -- for REST ----------------------------------------------------------------------------------

    def active(self) -> tuple[Ban, ...]:
        """Those in force."""
        self._table.forget_expired(self._clock())
        return tuple(self._table)

    def lift(self, bans: Iterable[Ban]) -> int:
        """Lift these; how many there were."""
        return self._table.lift(ban.id for ban in bans)

    async def save(self) -> None:
        """Write them to the file; on return they are kept over a restart. A failure is logged: they hold till then."""
        self._tell_watchers()
        if self.share is not None:
            await self.share()
        await self.keep()

    def replace(self, bans: Iterable[Ban]) -> None:
        """These are in force, and no others: the other nodes say so."""
        self._table = BanTable(bans, limit=MAX_BANS, make_id=lambda: uuid.uuid4().hex)
        self._tell_watchers()

    def _tell_watchers(self) -> None:
        for watcher in self.watchers:
            watcher()

    async def keep(self) -> None:
        """Write them to the file, and tell nobody."""
        async with self._saving:
            bans = self.active()
            if self._table.lifted_early:
                self._log.warning("too many bans: the oldest are lifted", limit=MAX_BANS)
                self._table.lifted_early = 0
            if self._path is None or bans == self._written:
                return
            try:
                await trio.to_thread.run_sync(_write, self._path, bans)
            except OSError as error:
                self._log.error("bans cannot be written", path=self._path, cause=error.strerror)
            else:
                self._written = bans


def load_bans(path: Path) -> Bans:
    """The bans in the file at `path`, if there is one. Raises BansFileError for a file that cannot be used."""
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise BansFileError(f"{path} cannot be read: {error}") from None
    try:
        return Bans(read_bans(text), path=path)
    except BansFileError as error:
        raise BansFileError(f"{path}: {error}; remove the file to lift all bans") from None


def _write(path: Path, bans: tuple[Ban, ...]) -> None:
    write_durably(path, write_bans(bans).encode())

"""Reports about sessions whose pages asked for one (`session.startDebug` of the SDK).

start -> lines of the log and of the page are gathered -> stop, time limit or end of the session -> a thread writes
"""

from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

import trio
from attrs import define, field

from actors.runtime.logs import RateLimitedLog, capture_session, get_logger, release_session
from actors.storage.report_folder import ReportFolder
from config.settings import Settings
from protocol.common.memory_budget import Allowance

log = get_logger("session")

MAX_BYTES: Final = 256 * 1024
"""Memory for the lines of one session; of more, the newest are kept."""
MAX_TOTAL: Final = 16 * 1024 * 1024
"""Memory for those of all sessions."""
MAX_RUNNING: Final = 100
"""Sessions that are debugged at a time."""
MAX_SECONDS: Final = 3600.0
"""After that long, a report ends."""
MAX_UNWRITTEN: Final = 16
"""Reports that wait to be written."""
MAX_SUMMARY: Final = 64 * 1024
"""Characters of the summary."""
CHECK_INTERVAL: Final = 60.0
"""Seconds from one look at the time limit to the next."""
_LINE_OVERHEAD: Final = 64

Told = Callable[[str | None], None]
"""Is told where the page finds the report, once it is written; None: there is none."""


@define(eq=False)
class DebugReport:
    """What was gathered about one session. A stream of log lines."""

    summarize: Callable[[], str]
    told: Told
    lines: Allowance
    began: float
    stamp: Callable[[], str]
    kept: deque[bytes] = field(factory=deque)
    left_out: int = 0

    def write(self, text: str) -> None:
        """Keep a line, in place of the oldest ones if need be."""
        line = text.encode(errors="replace")
        while not self.lines.take(len(line) + _LINE_OVERHEAD):
            self.left_out += 1
            if not self.kept:
                return
            self.lines.give_back(len(self.kept.popleft()) + _LINE_OVERHEAD)
        self.kept.append(line)

    def flush(self) -> None:
        """Nothing is buffered."""

    def note(self, text: str) -> None:
        """Keep a line that is not the log's."""
        self.write(f"{self.stamp()} {text}\n")

    def content(self, ending: str, summary: str) -> bytes:
        """The report, and the memory is given back."""
        head = f"session debug report\nended: {ending}, at {self.stamp()}\n{summary[:MAX_SUMMARY]}\n"
        if self.left_out:
            head += f"{self.left_out} earlier lines are left out\n"
        content = head.encode(errors="replace") + b"\n" + b"".join(self.kept)
        self.kept.clear()
        self.lines.give_back(self.lines.used)
        return content


class DebugReports:
    """Those of all sessions. Nothing but `run` and `drain` waits."""

    def __init__(self, settings: Settings, folder: ReportFolder, wall_clock: Callable[[], float]) -> None:
        self.folder = folder
        self._settings = settings
        self._wall_clock = wall_clock
        self._total = Allowance(MAX_TOTAL)
        self._running: dict[str, DebugReport] = {}
        self._queue: deque[tuple[str, bytes, Told]] = deque()
        self._more = trio.Event()
        self._is_closing = False
        self._written = trio.Event()
        self._warnings = RateLimitedLog(log)

    def begin(self, session_id: str, summarize: Callable[[], str], told: Told) -> None:
        """Gather what happens from now on, if it is allowed and not done already."""
        if session_id in self._running or not self._settings.session_debug_reports:
            return
        if len(self._running) >= MAX_RUNNING:
            self.refused(session_id, f"{MAX_RUNNING} sessions at a time")
            return
        lines = Allowance(MAX_BYTES, parent=self._total)
        report = DebugReport(summarize, told, lines, trio.current_time(), self._stamp)
        self._running[session_id] = report
        capture_session(session_id, report)

    def refused(self, session_id: str, limit: str) -> None:
        """There is no report, because of a limit."""
        self._warnings.warning("debug report refused", session=session_id, limit=limit)

    def get(self, session_id: str) -> DebugReport | None:
        """The report that is being gathered."""
        return self._running.get(session_id)

    def end(self, session_id: str, ending: str) -> bool:
        """End the report and have it written. False: none was being gathered."""
        release_session(session_id)
        report = self._running.pop(session_id, None)
        if report is None:
            return False
        content = report.content(ending, report.summarize())
        if len(self._queue) >= MAX_UNWRITTEN or self._is_closing:
            self.refused(session_id, f"{MAX_UNWRITTEN} that wait for the disk")
            report.told(None)
        else:
            self._queue.append((session_id, content, report.told))
            self._more.set()
        return True

    async def run(self) -> None:
        """Write what has ended, until cancelled, or all is written after `drain` was called."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_late_ones)
            while self._queue or not self._is_closing:
                if self._queue:
                    await self._write(*self._queue.popleft())
                else:
                    await self._more.wait()
                    self._more = trio.Event()
            self._written.set()
            nursery.cancel_scope.cancel()

    async def drain(self) -> None:
        """Wait until all is written. No report begins or ends any more."""
        self._is_closing = True
        self._more.set()
        await self._written.wait()

    async def _write(self, session_id: str, content: bytes, told: Told) -> None:
        name = self.folder.new_name()
        try:
            await trio.to_thread.run_sync(partial(self.folder.write, name, content))
        except OSError as error:
            self._warnings.warning("debug report cannot be written", session=session_id, error=error)
            told(None)
        else:
            log.info("debug report written", session=session_id, file=name, bytes=len(content))
            told(f"client/debug/{name}")

    async def _end_late_ones(self) -> None:
        while True:
            await trio.sleep(CHECK_INTERVAL)
            latest = trio.current_time() - MAX_SECONDS
            for session_id in [each for each, report in self._running.items() if report.began <= latest]:
                self.end(session_id, "time limit")

    def _stamp(self) -> str:
        moment = datetime.fromtimestamp(self._wall_clock(), UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"

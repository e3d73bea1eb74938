"""Reloads the settings, and counts and tells how it went."""

import time
from collections.abc import Awaitable, Callable

from attrs import evolve, field, frozen

from actors.events.event_log import EventLog
from actors.settings.reload import ReloadReport
from config.loading import SettingsError
from config.settings import Settings
from protocol.metrics.reload_counts import ReloadCounts
from protocol.node.server_events import EventType


@frozen
class ReportedReload:
    """`reload`, with an event and a count for each that is no mere check. `wall_clock`: seconds since the epoch.

    `requires_login`: whether callers of REST must log in; with settings, whether they would have to with these.
    """

    reload: Callable[..., Awaitable[ReloadReport]]
    events: EventLog
    requires_login: Callable[[Settings | None], bool]
    wall_clock: Callable[[], float] = time.time
    counts: ReloadCounts = field(init=False, factory=ReloadCounts)

    async def __call__(self, *, by: str, check_only: bool = False) -> ReloadReport:
        """As `Reloader.reload`. The events name settings, and no values: these may be secret."""
        was_required = self.requires_login(None)
        try:
            report = await self.reload(by=by, check_only=check_only)
        except SettingsError as error:
            if not check_only:
                self.counts.refused()
                self.events.emit(EventType.CONFIG_RELOADED, result="refused", faults=len(error.faults), by=by)
            raise
        is_required = self.requires_login(report.settings if check_only else None)
        if not check_only:
            self.counts.taken(self.wall_clock())
            changed, waiting = ([each.key for each in some] for some in (report.taken, report.waiting))
            self.events.emit(EventType.CONFIG_RELOADED, result="ok", changed=changed, waiting=waiting, by=by)
        return report if is_required is was_required else evolve(report, login=is_required)

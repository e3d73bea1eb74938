"""Reloading: the settings are read again, and what can change in a running server does."""

import time
from collections.abc import Awaitable, Callable, Mapping

import trio
from attrs import evolve, frozen

from actors.net.tcp_listeners import ListenerError
from actors.runtime.logs import get_logger
from actors.runtime.service_manager import ServiceManager
from actors.settings.settings_source import CheckedSettings, SettingsSource
from config.changes import SettingChange, SettingChanges, changes_between
from config.live import Live
from config.loading import Given, LoadedSettings, SettingsError
from config.settings import Settings

log = get_logger("server")


@frozen(kw_only=True)
class ReloadReport:
    """What a reload has changed, or would. `waiting`: what needs a restart.

    `settings`: those in force from then on. `login`: whether callers of REST must log in from then on; None: as before.
    """

    taken: tuple[SettingChange, ...]
    waiting: tuple[SettingChange, ...]
    warnings: tuple[str, ...]
    settings: Settings | None = None
    login: bool | None = None


class Reloader:
    """Puts the settings of a source into force, one reload at a time."""

    def __init__(self, source: SettingsSource, loaded: LoadedSettings, manager: ServiceManager) -> None:
        self.live = Live(loaded.settings)
        self._source = source
        self._loaded = loaded
        self._manager = manager
        self._turn = trio.Lock()

    @property
    def given(self) -> Mapping[str, Given]:
        """The text and the origin of each setting in force."""
        return self._loaded.given

    async def reload(self, *, by: str, check_only: bool = False) -> ReloadReport:
        """Read the settings again. SettingsError if a server could not start with them: then nothing changes."""
        async with self._turn:
            if not check_only:
                self._manager.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            try:
                checked, changes = await trio.to_thread.run_sync(self._read)
                if not check_only:
                    self._put_into_force(checked.loaded, changes)
            except SettingsError as error:
                for fault in error.faults:
                    log.error("settings not reloaded", fault=fault, by=by)
                raise
            finally:
                if not check_only:
                    self._manager.tell("READY=1")
        if not check_only:
            _tell(changes, checked.warnings, by)
        return ReloadReport(
            taken=changes.taken, waiting=changes.waiting, warnings=checked.warnings, settings=changes.settings
        )

    def _read(self) -> tuple[CheckedSettings, SettingChanges]:
        checked = self._source.check(self._source.load())
        changes = changes_between(self._loaded, self.live.now, checked.loaded)
        # The listeners stay as they are: what the file says of them does not protect anybody yet.
        if faults := self._source.exposure(changes.settings):
            raise SettingsError(faults)
        return checked, changes

    def _put_into_force(self, loaded: LoadedSettings, changes: SettingChanges) -> None:
        try:
            self.live.replace(changes.settings)
        except (ListenerError, OSError, ValueError) as error:
            raise SettingsError([str(error)]) from error
        kept: dict[str, Given] = {change.key: self._loaded.given[change.key] for change in changes.waiting}
        self._loaded = evolve(loaded, settings=changes.settings, given={**loaded.given, **kept})


def reload_by(reloader: Reloader | None) -> Callable[..., Awaitable[ReloadReport]]:
    """How the server reloads."""
    return no_reload if reloader is None else reloader.reload


async def no_reload(*, by: str, check_only: bool = False) -> ReloadReport:
    """For a server whose settings come from elsewhere. Raises SettingsError."""
    raise SettingsError(["this server has no settings file"])


def _tell(changes: SettingChanges, warnings: tuple[str, ...], by: str) -> None:
    for warning in warnings:
        log.warning("setting", detail=warning)
    for change in changes.taken:
        log.info("setting changed", key=change.key, before=change.before, after=change.after)
    for change in changes.waiting:
        log.warning("setting waits for a restart", key=change.key, before=change.before, after=change.after)
    log.info("settings reloaded", changed=len(changes.taken), waiting=len(changes.waiting), by=by)

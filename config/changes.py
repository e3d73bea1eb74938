"""What a reload changes: which settings differ, and which of these a running server can take in."""

from collections.abc import Iterable
from typing import Any

from attrs import evolve, frozen

from config.loading import LoadedSettings, shown
from config.settings import TABLE, Setting, Settings


@frozen(kw_only=True)
class SettingChange:
    """One setting that differs; texts as in a settings file, secrets masked."""

    key: str
    before: str
    after: str


@frozen(kw_only=True)
class SettingChanges:
    """`taken`: what is in force with `settings`. `waiting`: what needs a restart."""

    settings: Settings
    taken: tuple[SettingChange, ...]
    waiting: tuple[SettingChange, ...]


def changes_between(before: LoadedSettings, running: Settings, after: LoadedSettings) -> SettingChanges:
    """From the `running` settings, once loaded as `before`, to `after`."""
    differing = [known for known in TABLE.values() if _value(running, known) != _value(after.settings, known)]
    waiting = [known for known in differing if not known.live]
    kept = {known.attribute: _value(running, known) for known in waiting}

    def told(settings: Iterable[Setting]) -> tuple[SettingChange, ...]:
        return tuple(
            SettingChange(
                key=known.key,
                before=shown(known, before.given[known.key].text),
                after=shown(known, after.given[known.key].text),
            )
            for known in settings
        )

    return SettingChanges(
        settings=evolve(after.settings, **kept),
        taken=told(known for known in differing if known.live),
        waiting=told(waiting),
    )


def _value(settings: Settings, known: Setting) -> Any:
    value: Any = getattr(settings, known.attribute)
    return value

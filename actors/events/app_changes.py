"""Tells, as events, what an operator has changed about applications."""

import attrs

from actors.events.event_log import EventLog
from config.apps import App, AppTable
from protocol.node.server_events import EventType


def report_app_changes(events: EventLog, before: AppTable, after: AppTable) -> None:
    """An event for each application. It names fields, and no values: these may be secret."""
    old, new = ({app.key: app for app in table.apps} for table in (before, after))
    for key in [*new, *(key for key in old if key not in new)]:
        if key not in old:
            events.emit(EventType.APP_CHANGED, app=key, change="added")
        elif key not in new:
            events.emit(EventType.APP_CHANGED, app=key, change="removed")
        elif changed := _differing(old[key], new[key]):
            events.emit(EventType.APP_CHANGED, app=key, change="changed", fields=changed)


def _differing(one: App, other: App) -> list[str]:
    names = (attribute.name for attribute in attrs.fields(App))
    return [name for name in names if getattr(one, name) != getattr(other, name)]

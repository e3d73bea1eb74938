"""What the commands about sources that have names do, for `wcs` and for REST."""

from attrs import frozen

from actors.runtime.logs import get_logger
from actors.storage.source_store import SourceStore
from protocol.capture.named_sources import NamedSource, SourceTable, entries
from protocol.common.suggestions import did_you_mean, shortened
from protocol.operator.messages import Done, Row
from protocol.operator.source_commands import AddSource, RemoveSource, ShowSources, SourceCommand, UpdateSource

log = get_logger("operator")

Result = tuple[SourceTable, Done]
_NAMES = {AddSource: "add source", UpdateSource: "update source", RemoveSource: "remove source"}


@frozen
class SourceDesk:
    """The sources of one server."""

    store: SourceStore

    def all(self) -> tuple[NamedSource, ...]:
        """As of now."""
        return self.store.table.sources

    async def execute(self, command: SourceCommand) -> Done:
        """What came of it. SourceError, TableStoreError: nothing has changed."""
        return await self.store.change(lambda table: _execute(command, table))

    async def change(self, command: SourceCommand, *, by: str) -> Done:
        """The same for REST, whose changes are logged here."""
        done = await self.execute(command)
        if done.changed:
            log.info("changed by an operator", command=_NAMES.get(type(command), ""), change=done.message, by=by)
        return done


def _execute(command: SourceCommand, table: SourceTable) -> Result:
    match command:
        case ShowSources():
            rows: list[Row] = [dict(entry) for entry in entries(table.sources)]
            return table, Done(rows=rows, message="" if rows else "there are no sources")
        case AddSource(name=name, uri=uri):
            return _add(NamedSource(name=name, uri=uri), table)
        case UpdateSource(name=name, uri=uri):
            return _update(NamedSource(name=table.known(name).name, uri=uri), table)
        case RemoveSource(name=name):
            return _remove(name, table)


def _add(source: NamedSource, table: SourceTable) -> Result:
    if table.by_name(source.name) == source:
        return table, Done(message=f"source {source.name!r} is there already")
    return table.added(source), Done(message=f"source {source.name!r} added", changed=True)


def _update(source: NamedSource, table: SourceTable) -> Result:
    if table.by_name(source.name) == source:
        return table, Done(message=f"source {source.name!r} is like that already")
    told = f"source {source.name!r} updated; the next player gets it, and ends the capture so far"
    return table.replaced(source), Done(message=told, changed=True)


def _remove(name: str, table: SourceTable) -> Result:
    if table.by_name(name) is None:
        hint = did_you_mean(name, [source.name for source in table.sources])
        return table, Done(message=f"no source {shortened(name)}{hint}; nothing to remove")
    return table.without(name), Done(message=f"source {name!r} removed", changed=True)

"""The table of sources that have names, stored in one file of the state folder (`actors.storage.table_store`)."""

from pathlib import Path

from actors.storage.table_store import TableStore, read_file, resolved
from config.tables.sources_file import read_sources, write_sources
from protocol.capture.named_sources import SourceTable


class SourceStore(TableStore[SourceTable]):
    """The only owner of the table of sources. Create it with `open_source_store`."""


def open_source_store(path: Path) -> SourceStore:
    """The store for the file at `path`, which need not exist: it is created with the first source.

    Raises SourceFileError for a file that is not a valid table, TableStoreError for one that cannot be read.
    """
    path = resolved(path)
    text = read_file(path)
    table = SourceTable() if text is None else read_sources(text, file_name=str(path))
    return SourceStore(path, table, text, write_sources)

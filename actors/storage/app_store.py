"""The application table, stored in one file of the state folder (`actors.storage.table_store`)."""

from pathlib import Path

from actors.runtime.logs import get_logger
from actors.storage.table_store import TableStore, read_file, resolved, write_file
from config.apps import App, AppTable, default_table
from config.tables.apps_file import read_apps, write_apps

log = get_logger("storage")


class AppStore(TableStore[AppTable]):
    """The only owner of the application table. Create it with `open_app_store`."""

    def by_key(self, key: str) -> App | None:
        """The application that a client means by `key`, as of now."""
        return self.table.by_key(key)

    def all(self) -> tuple[App, ...]:
        """All applications, as of now."""
        return self.table.apps

    def has_key(self, key: str) -> bool:
        """Whether there is an application of exactly this key."""
        app = self.by_key(key)
        return app is not None and app.key == key


def open_app_store(path: Path) -> AppStore:
    """The store for the file at `path`; a missing file is created with the default table.

    Applications that came with later versions than the file are added to it, each once.

    Raises AppFileError for a file that is not a valid table, TableStoreError for one that cannot be read or created.
    """
    path = resolved(path)
    text = read_file(path)
    if text is None:
        text = write_apps(default_table())
        write_file(path, text)
    table = read_apps(text, file_name=str(path))
    complete = table.with_shipped()
    if complete is not table:
        text = write_apps(complete)
        write_file(path, text)
        _log_shipped(table, complete)
    return AppStore(path, complete, text, write_apps)


def _log_shipped(before: AppTable, after: AppTable) -> None:
    for name in after.shipped - before.shipped:
        is_taken = after.apps == before.apps
        what = "not added: its name or key is taken" if is_taken else "added; 'wcs remove app' removes it for good"
        log.info(f"an application of this version was {what}", name=name)


def read_app_file(path: Path) -> AppTable | None:
    """The table in the file at `path`; None if there is no file. Raises like `open_app_store`, and changes nothing."""
    text = read_file(resolved(path))
    return None if text is None else read_apps(text, file_name=str(path))

"""What a node remembers of the shared tables over a restart: the version of each row, and a digest of its text.

By it the node sees what was edited in its files, added to them or removed from them while it did not run.
"""

import json
from pathlib import Path
from typing import Any

from actors.runtime.logs import get_logger
from actors.storage.atomic_write import write_durably
from protocol.cluster.rows import Known, KnownRow, RowName

log = get_logger("cluster")

MAX_FILE_SIZE = 32 * 1024 * 1024


class RowMemory:
    """In the file at `path`; nothing is remembered without one."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._written: Known = {}

    def load(self) -> Known:
        """What was remembered; nothing if there is no usable file: then the tables of the cluster count."""
        try:
            text = b"{}" if self._path is None or not self._path.exists() else self._path.read_bytes()[:MAX_FILE_SIZE]
            return {_name(field): _known(value) for field, value in json.loads(text).items()}
        except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
            log.warning("what was known of shared tables is lost", path=self._path, cause=error)
            return {}

    def needs(self, known: Known) -> bool:
        """Whether this is not in the file yet."""
        return self._path is not None and known != self._written

    def save(self, known: Known) -> None:
        """Blocks. Raises OSError."""
        if self._path is not None:
            rows = {f"{name.table} {name.key}": [row.version, row.digest] for name, row in known.items()}
            write_durably(self._path, json.dumps(rows, separators=(",", ":")).encode())
            self._written = known


def _name(field: str) -> RowName:
    table, _, key = field.partition(" ")
    return RowName(table, key)


def _known(value: Any) -> KnownRow:
    version, digest = value
    if type(version) is not int or not (digest is None or isinstance(digest, str)):
        raise TypeError("not a version and a digest")
    return KnownRow(version=version, digest=digest)

"""The server with a meter of its passes, which writes into the file that the environment names."""

import os
import sys
from pathlib import Path

from tests.bench.meters import pass_meter

METER = "WCSD_CHAOS_METER"


class FileMeter(pass_meter.PassMeter):
    """Its lines do not go where the log goes, which an attacker may have stopped."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("ab", buffering=0)

    def write(self, line: bytes) -> None:
        self._file.write(line)


def main() -> int:
    """As `actors.daemon.main`."""
    return pass_meter.main(FileMeter(Path(os.environ[METER])))


if __name__ == "__main__":
    sys.exit(main())

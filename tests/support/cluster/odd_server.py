"""A server that is not like the others: of another version of what nodes say to each other, or with a clock that jumps.

    running_server(folder, settings, module="tests.support.cluster.odd_server")

WCSD_ODD_PROTOCOL in the environment: that version. WCSD_ODD_CLOCK: a file with the seconds that its clock is ahead.
"""

import os
import sys
import time
from pathlib import Path


def main() -> int:
    """Be that server."""
    if version := os.environ.get("WCSD_ODD_PROTOCOL"):
        _speak(int(version))
    if clock := os.environ.get("WCSD_ODD_CLOCK"):
        _go_by(Path(clock))
    from actors import daemon

    return daemon.main()


def _speak(version: int) -> None:
    from protocol.cluster import members

    defaults = members.MemberInfo.__init__.__kwdefaults__
    assert defaults is not None
    defaults["protocol"] = version
    setattr(members, "PROTOCOL_VERSION", version)  # noqa: B010 - it is a constant to everybody else
    from protocol.cluster import messages

    assert version == vars(messages)["PROTOCOL_VERSION"], "it was imported before"


def _go_by(file: Path) -> None:
    right = time.time
    time.time = lambda: right() + float(file.read_text())


if __name__ == "__main__":
    sys.exit(main())

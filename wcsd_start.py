"""The installed programs `wcsd` and `wcs`. They start only if what is found under the names of our packages is ours.

`actors`, `config` and `protocol` are common names. A package of another project that is found first, by PYTHONPATH or
in an environment that wcsd shares with it, would run in the place of ours. Imports only the standard library, and
nothing of ours before the check.
"""

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

PACKAGES = ("actors", "config", "protocol")
OWNER = "wcsd"
"""A word in the `__init__.py` of each of them."""
EXIT_CANNOT_START = 2

_HOME = Path(__file__).resolve().parent


def run_wcsd() -> int:
    """The server; the exit code."""
    _check("wcsd")
    from actors.daemon import main

    return main()


def run_wcs() -> None:
    """The operator's program."""
    _check("wcs")
    from actors.operator.wcs.client import main

    main()


def foreign_packages(home: Path = _HOME) -> Iterator[str]:
    """Which package is not that of the folder `home`, and where it is."""
    for name in PACKAGES:
        ours = home / name
        spec = find_spec(name)
        found = [Path(folder).resolve() for folder in (spec and spec.submodule_search_locations) or ()]
        if found != [ours]:
            where = ", ".join(map(str, found)) or (spec and spec.origin) or "nowhere"
            yield f"package '{name}' is found in {where}, and not in {ours}"
        elif not _is_ours(ours / "__init__.py"):
            yield f"package '{name}' in {ours} was overwritten by another project"


def _is_ours(file: Path) -> bool:
    try:
        return OWNER in file.read_text("utf-8", errors="replace")
    except OSError:
        return False


def _check(program: str) -> None:
    for fault in foreign_packages():
        _refuse(f"{program}: cannot start: {fault}; install wcsd into an environment of its own, and unset PYTHONPATH")


def _refuse(line: str) -> NoReturn:
    print(line, file=sys.stderr)
    sys.exit(EXIT_CANNOT_START)

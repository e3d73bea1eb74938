"""The daemon: from the command line to the exit code.

What is built, and in which order it starts and stops, is in `actors.assembly`. This module stays light, so that
`wcsd --help` and a wrong setting are answered at once.
"""

import gc
import os
import resource
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio

from actors import logs
from actors.cli import Invocation, read_command_line
from actors.state_folder import StateFolder, StateFolderError

if TYPE_CHECKING:
    from actors.assembly import Server

log = logs.get_logger("daemon")

EXIT_OK, EXIT_CRASH, EXIT_CANNOT_START = 0, 1, 2
GC_THRESHOLDS = (10_000, 20, 100)
"""Objects made before the youngest generation is collected, and how many such collections make one of the next."""
SPARE_DESCRIPTORS = 500
"""Beside one for each session: hooks, REST clients, media sockets, files."""
SWITCH_INTERVAL = 0.0005
"""Seconds between switches of Python threads: a busy thread must not hold up the media fan-out."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until it is told to stop; the process's exit code."""
    invocation = read_command_line(arguments)
    logs.configure(invocation.settings.log_format, invocation.settings.log_level, sys.stderr)
    for warning in invocation.warnings:
        log.warning("setting", detail=warning)
    sys.setswitchinterval(SWITCH_INTERVAL)
    _raise_descriptor_limit(invocation.settings.max_sessions)
    try:
        with StateFolder(invocation.state) as state:
            return trio.run(_run, invocation, state)
    except StateFolderError as error:
        log.error("cannot start", cause=str(error))
        return EXIT_CANNOT_START


async def _run(invocation: Invocation, state: StateFolder) -> int:
    # Loading the web and TLS libraries takes a while: not before the settings are known to be good.
    from actors.assembly import CannotStart, Server

    try:
        server = Server(invocation.settings, state)
    except CannotStart as error:
        log.error("cannot start", cause=str(error))
        return EXIT_CANNOT_START
    tame_garbage_collector()
    exit_code = EXIT_OK
    try:
        await _serve_until_told(server)
    except* CannotStart as group:
        log.error("cannot start", cause=str(_first(group)))
        exit_code = EXIT_CANNOT_START
    except* Exception as group:  # noqa: BLE001 - the process ends here, with one line in the log that says why
        log.error("the server crashed", crash=group)
        exit_code = EXIT_CRASH
    return exit_code


async def _serve_until_told(server: "Server") -> None:
    async with trio.open_nursery() as nursery:

        async def obey_signals() -> None:
            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for number in signals:
                    name = signal.Signals(number).name
                    if server.is_closing:
                        log.warning("stopping at once", signal=name)
                        server.abort()
                    else:
                        log.info("shutting down", signal=name)
                        server.close()

        nursery.start_soon(obey_signals)
        await server.run(on_ready=_announce)
        nursery.cancel_scope.cancel()


def _first(error: Exception) -> Exception:
    """The first real error in groups of groups: each nursery on the way has put one around it."""
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


def tame_garbage_collector() -> None:
    """Keep the collector's pauses away from the media.

    A full collection looks at every object: tens of milliseconds with a thousand streams, and nothing is forwarded.
    What is loaded by now stays for good and need not be looked at again; what dies young is found by the quick
    collections; the full ones come seldom.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _raise_descriptor_limit(sessions: int) -> None:
    """Use as many descriptors as this process may have; say so when they are fewer than the sessions allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < sessions + SPARE_DESCRIPTORS:
        log.warning(
            "few descriptors", limit=hard, max_sessions=sessions, remedy="LimitNOFILE of the service, ulimit -n"
        )


def _announce(server: "Server") -> None:
    """Tell whoever started us that every listener is open: one line on standard output, in one write."""
    os.write(sys.stdout.fileno(), f"{server.ready_line}\n".encode())
    log.info("serving", start_page=server.start_page, pid=os.getpid())


if __name__ == "__main__":
    sys.exit(main())

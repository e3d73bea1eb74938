"""The daemon: from the command line to the exit code.

`actors.server` builds the parts, and starts and stops them in order. This module imports little, so that `wcsd --help`
and an invalid setting get an answer at once.
"""

import contextlib
import gc
import os
import resource
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio

from actors.cli import Invocation, read_command_line
from actors.runtime import logs, signals
from actors.runtime.huge_pages import keep_in_huge_pages
from actors.runtime.loop_clock import LoopClock
from actors.runtime.service_manager import Pulse, ServiceManager, ServiceReport
from actors.settings.reload import Reloader
from actors.storage.remedies import in_words
from actors.storage.state_folder import StateFolder, StateFolderError
from config.doctor import SPARE_DESCRIPTORS
from config.live import follow
from config.loading import SettingsError
from config.settings import Settings

if TYPE_CHECKING:
    from actors.server import Server

log = logs.get_logger("daemon")
signal_log = logs.RateLimitedLog(log, burst=10)

EXIT_OK, EXIT_CRASH, EXIT_CANNOT_START = 0, 1, 2
GC_THRESHOLDS = (400, 1, 60_000) if sys.version_info < (3, 14) else (400, 20, 60_000)
"""Allocations per collection of the youngest generation, and how many of those per collection of the next; for old
objects, how many of these. There are four a second besides (`actors.runtime.young_objects`).

Each object is looked at once in either, however many come together; but a collection holds up all media. From Python
3.14 on, the second number says how slowly older objects are looked through.
"""
SWITCH_INTERVAL = 0.0005
"""Seconds between switches of Python threads: a busy thread must not hold up the media fan-out."""
LOG_FLUSH_TIMEOUT = 2.0
"""Seconds to write the last log lines; a log reader that has stopped does not delay the exit any longer."""
UNSAID_INTERVAL = 60.0
"""Seconds between two reports of log lines that were left out."""
_STDIN, _STDOUT, _STDERR = range(3)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until it is told to stop; returns the exit code of the process."""
    _open_standard_streams()
    invocation = read_command_line(arguments)
    if invocation.node is not None:
        logs.common_fields["process"] = f"node-{invocation.node}"
    signals.hold()  # before there is a second thread, to which the system would deliver them
    writer = logs.open_log(invocation.settings.log_format, invocation.settings.log_level, _STDERR)
    signals.leave_traces(_STDERR)
    try:
        return _start(invocation)
    finally:
        writer.close(LOG_FLUSH_TIMEOUT)


def _open_standard_streams() -> None:
    """Open the closed ones: the next file or connection would get their number, and receive lines meant for people."""
    for descriptor in (_STDIN, _STDOUT, _STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number


def _start(invocation: Invocation) -> int:
    for warning in invocation.warnings:
        log.warning("setting", detail=warning)
    sys.setswitchinterval(SWITCH_INTERVAL)
    _raise_descriptor_limit(invocation.settings.max_sessions)
    try:
        with StateFolder(invocation.state) as state:
            main = _run if invocation.nodes is None else _run_nodes
            return trio.run(main, invocation, state, clock=LoopClock())
    except StateFolderError as error:
        return _cannot_start(str(error))
    except OSError as error:  # trio's own descriptors among them
        return _cannot_start(in_words(error))


async def _run(invocation: Invocation, state: StateFolder) -> int:
    gc.disable()  # until all is loaded, for what is loaded stays: to look through it again and again is a fifth of that
    # Loading the web and TLS libraries takes a while: only after the settings have been checked.
    try:
        from actors.server import CannotStart, Server
    except (ImportError, OSError) as error:  # for example, out of descriptors
        return _cannot_start(f"a library cannot be loaded: {error}")

    try:
        manager = ServiceManager(os.environ)
        reloader = Reloader(invocation.source, invocation.loaded, manager)
        server = Server(reloader.live.settings, state, reloader, node=invocation.node)
        follow(reloader.live.settings, _adopt)
    except (CannotStart, StateFolderError) as error:
        return _cannot_start(str(error))
    except OSError as error:
        return _cannot_start(in_words(error))
    configure_gc()
    exit_code, huge_pages = EXIT_OK, reloader.live.settings.huge_pages
    try:
        await _serve_until_told(server, manager, has_parent=invocation.node is not None, huge_pages=huge_pages)
    except* CannotStart as group:
        exit_code = _cannot_start(str(_first(group)))
    except* Exception as group:  # noqa: BLE001 - the process ends here, with one line in the log that says why
        log.error("the server crashed", crash=group)
        exit_code = EXIT_CRASH
    return exit_code


async def _run_nodes(invocation: Invocation, state: StateFolder) -> int:
    """The parent of several servers, in the place of one."""
    from actors.host_nodes import NodesCannotStart, NodesFailed, run_nodes
    from actors.operator.server import OperatorSocketError

    async def print_line(line: str) -> None:
        await _print_ready_line(f"{line}\n".encode())

    exit_code = EXIT_OK
    try:
        await run_nodes(invocation, state, print_line)
    except* (NodesCannotStart, OperatorSocketError, StateFolderError) as group:
        exit_code = _cannot_start(str(_first(group)))
    except* NodesFailed as group:
        log.error("the nodes cannot go on", cause=str(_first(group)))
        exit_code = EXIT_CRASH
    if exit_code == EXIT_OK:
        log.info("stopped")
    return exit_code


def _adopt(settings: Settings) -> None:
    logs.reconfigure(settings.log_format, settings.log_level)


def _cannot_start(cause: str) -> int:
    log.error("cannot start", cause=cause)
    return EXIT_CANNOT_START


async def _serve_until_told(server: "Server", manager: ServiceManager, *, has_parent: bool, huge_pages: bool) -> None:
    async with trio.open_nursery() as nursery:
        if has_parent:
            nursery.start_soon(_end_with_parent, server)
        nursery.start_soon(_obey_signals, server)
        nursery.start_soon(_tell_suppressed_now_and_then)
        if huge_pages:
            nursery.start_soon(keep_in_huge_pages)

        def announce(server: "Server") -> None:
            nursery.start_soon(_print_ready_line, f"{server.ready_line}\n".encode())
            nursery.start_soon(_report_of(server, manager).run)
            nursery.start_soon(_tell_of_stopping, server, manager)
            log.info("serving", start_page=server.start_page, pid=os.getpid())

        await server.run(on_ready=announce)
        nursery.cancel_scope.cancel()


def _report_of(server: "Server", manager: ServiceManager) -> ServiceReport:
    parts = server.measured
    pulses: dict[str, Pulse] = {"media": parts.plane.time, "hooks": parts.dispatcher, "supervisor": parts.supervisor}

    def status() -> str:
        report = parts.drain.report()
        return f"{report.state}: {report.publications:,} publications, {report.viewers:,} viewers"

    return ServiceReport(manager, pulses, status=status, is_ending=lambda: parts.drain.is_final)


async def _end_with_parent(server: "Server") -> None:
    """Stop when the standard input ends: only the parent holds the other end of that pipe."""
    await trio.lowlevel.wait_readable(_STDIN)
    log.error("shutting down: the process that started this node is gone")
    server.close()


async def _tell_of_stopping(server: "Server", manager: ServiceManager) -> None:
    await server.until_closing()
    manager.tell("STOPPING=1", "STATUS=shutting down")


async def _tell_suppressed_now_and_then() -> None:
    try:
        while True:
            await trio.sleep(UNSAID_INTERVAL)
            logs.tell_suppressed()
    finally:
        logs.tell_suppressed()


async def _obey_signals(server: "Server") -> None:
    async with trio.open_nursery() as reloading:
        await _obey_each(server, reloading)


async def _obey_each(server: "Server", reloading: trio.Nursery) -> None:
    with trio.open_signal_receiver(*signals.MEANINGS) as received:
        signals.release()
        try:
            async for number in received:
                if signals.MEANINGS[number] is signals.Meaning.RELOAD:
                    reloading.start_soon(_reload, server, signals.name_of(number))
                else:
                    _obey(server, number)
        finally:
            signals.hold()


def _obey(server: "Server", number: int) -> None:
    name = signals.name_of(number)
    match signals.MEANINGS[number]:
        case signals.Meaning.STOP if server.is_closing:
            log.warning("stopping at once", signal=name)
            server.abort()
        case signals.Meaning.STOP if server.drain_before_end(by=name):
            pass
        case signals.Meaning.STOP:
            log.info("shutting down", signal=name)
            server.close()
        case signals.Meaning.NOTHING:
            signal_log.warning("signal without a meaning here", signal=name)


async def _reload(server: "Server", signal: str) -> None:
    with contextlib.suppress(SettingsError):  # the log says what is wrong
        await server.reload(by=signal)


async def _print_ready_line(line: bytes) -> None:
    """Report that every listener is open: one line on standard output, in one write.

    Runs in a thread that is abandoned if it hangs, because nobody is obliged to read that stream.
    """
    try:
        await trio.to_thread.run_sync(os.write, _STDOUT, line, abandon_on_cancel=True)
    except OSError as error:
        log.warning("ready line cannot be written", error=error.strerror)


def _first(error: Exception) -> Exception:
    """The first real error in nested groups: each enclosing nursery has wrapped it."""
    return _first(error.exceptions[0]) if isinstance(error, ExceptionGroup) else error


def configure_gc() -> None:
    """Keep the collector's pauses away from the media.

    A full collection examines every object: with a thousand streams, nothing is forwarded for tens of milliseconds.
    Objects loaded so far are permanent and need not be examined again; quick collections find the short-lived ones;
    full collections are rare.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


def _raise_descriptor_limit(sessions: int) -> None:
    """Use as many descriptors as this process may have; warn if they are too few for the sessions allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < sessions + SPARE_DESCRIPTORS:
        log.warning(
            "few descriptors", limit=hard, max_sessions=sessions, remedy="LimitNOFILE of the service, ulimit -n"
        )


if __name__ == "__main__":
    sys.exit(main())

"""What each signal does. No signal ends the server without telling clients and writing a log line.

Left to the system are signals that a process cannot catch, those that indicate a defect in it (SIGSEGV, SIGABRT and so
on), those that stop and continue it, and those that do nothing by default.
"""

import ctypes
import faulthandler
import signal
from enum import Enum

_SS_DISABLE = 2
_NAMED = frozenset(signal.Signals)


class Meaning(Enum):
    """What the server does when a signal comes."""

    STOP = "stop in order, perhaps after a drain; at the next one, at once"
    RELOAD = "read the settings again"
    NOTHING = "say so and go on"


STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGPWR, signal.SIGXCPU)
WITHOUT_MEANING = (
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGIO,
    signal.SIGSTKFLT,
    *(number for number in signal.valid_signals() if signal.SIGRTMIN <= number <= signal.SIGRTMAX),
)
MEANINGS: dict[int, Meaning] = {
    signal.SIGHUP: Meaning.RELOAD,
    **dict.fromkeys(STOPPING, Meaning.STOP),
    **dict.fromkeys(WITHOUT_MEANING, Meaning.NOTHING),
}
"""Every signal that would end the process if it were not handled."""


def hold() -> None:
    """Hold signals back until `release`: during startup nothing could act on them."""
    signal.pthread_sigmask(signal.SIG_BLOCK, MEANINGS)


def release() -> None:
    """Deliver those held back, and later ones."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, MEANINGS)


def leave_traces(descriptor: int) -> None:
    """Have a thread's stack written there before a signal ends the process that nobody can handle.

    It is the thread that failed; a signal from outside, such as the SIGABRT of systemd's watchdog, comes to the event
    loop's. The others' are left out: they run on meanwhile, and reading their stacks may end in SIGSEGV before any is
    written.
    """
    faulthandler.enable(descriptor, all_threads=False)  # SIGSEGV, SIGFPE, SIGABRT, SIGBUS, SIGILL
    for number in (signal.SIGTRAP, signal.SIGSYS):
        faulthandler.register(number, descriptor, all_threads=False, chain=True)
    _use_one_stack()


class _SignalStack(ctypes.Structure):
    """stack_t of sigaltstack(2)."""

    _fields_ = (("address", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


def _use_one_stack() -> None:
    """Handle signals on the ordinary stack again: the small one of faulthandler overflows when many come at once."""
    ctypes.CDLL(None).sigaltstack(ctypes.byref(_SignalStack(None, _SS_DISABLE, 0)), None)


def name_of(number: int) -> str:
    """SIGTERM, or SIGRTMIN+3."""
    if number in _NAMED:
        return signal.Signals(number).name
    return f"SIGRTMIN+{number - signal.SIGRTMIN}"

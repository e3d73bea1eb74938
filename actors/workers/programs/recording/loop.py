"""How a process takes turns with its recorders: few wake-ups, whatever their number.

Packets wait in the sockets for up to `read_interval` seconds; commands and files do not. A recorder that fails ends
alone. While the disk is slow to take what one writes, the others wait, but report: they are alive.
"""

import select
import time
import traceback
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from actors.workers.programs.common.control import ControlLines

FLUSH_INTERVAL: Final = 0.5
STAT_INTERVAL: Final = 5.0
SLOW: Final = 2.0
"""Seconds for writing that are told as `slow`."""
BURST: Final = 0.16
"""Seconds of packets, of all recorders together, that are left for one look: more would keep a processor for long."""
SHORTEST_PAUSE: Final = 0.02
MOST_AT_ONCE: Final = 64
"""Messages that a recorder takes before it is the next one's turn."""


class Recorded(Protocol):
    """What the loop needs of `actors.workers.programs.recorder.Recorder`."""

    why: str
    control: ControlLines
    read_interval: float

    @property
    def tap(self) -> int: ...
    @property
    def files(self) -> int: ...
    def figures(self) -> dict[str, object]: ...
    def obey(self) -> None: ...
    def receive_file(self) -> bool: ...
    def read_all(self) -> int: ...
    def flush(self) -> None: ...
    def finish(self) -> None: ...
    def note_failure(self, error: OSError) -> None: ...


class RecorderLoop:
    """See above. `on_end` gets each recorder that has ended, with its exit status."""

    def __init__(self, on_end: Callable[[Recorded, int], None]) -> None:
        self._on_end = on_end
        self._recorders: list[Recorded] = []
        self._failed: set[Recorded] = set()
        self._acts: dict[int, Callable[[], None]] = {}
        """What is to be done when there is something to read at a descriptor."""
        self._inputs, self._all = select.poll(), select.poll()
        """The second has the taps, too."""
        self._flush_at = self._stat_at = time.monotonic()

    def watch(self, descriptor: int, act: Callable[[], None]) -> None:
        """Call `act` whenever the descriptor can be read."""
        self._acts[descriptor] = act
        for poll in (self._inputs, self._all):
            poll.register(descriptor, select.POLLIN)

    def forget(self, descriptor: int) -> None:
        """Watch it no longer. One that is not watched is ignored."""
        if self._acts.pop(descriptor, None) is not None:
            for poll in (self._inputs, self._all):
                poll.unregister(descriptor)

    def add(self, recorder: Recorded) -> None:
        """It takes part from now on."""
        self._recorders.append(recorder)
        self._all.register(recorder.tap, select.POLLIN)
        self.watch(recorder.control.fileno(), lambda: self._attempt(recorder, recorder.obey))
        self.watch(recorder.files, lambda: self._receive_file(recorder))

    def run(self) -> None:
        """Until nothing is left to be watched."""
        while self._acts:
            self._wait(self._all, max(0.0, self._flush_at - time.monotonic()) if self._recorders else None)
            if self._read_all():
                self._wait(self._inputs, self._pause())
            now = time.monotonic()
            if now >= self._flush_at:
                self._flush_at = now + FLUSH_INTERVAL
                self._for_all(_flush)
            self._tell_figures()
            self._end_those_that_are_done()

    # -- inside --------------------------------------------------------------------------------------------------

    def _pause(self) -> float:
        """Seconds until the next look at packets: the more recorders there are, the fewer of each are left for it."""
        wanted = min(each.read_interval for each in self._recorders)
        return min(wanted, max(SHORTEST_PAUSE, BURST / len(self._recorders)))

    def _wait(self, poll: select.poll, seconds: float | None) -> None:
        ready = [descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)]
        for descriptor in ready:
            act = self._acts.get(descriptor)
            if act is not None:
                act()

    def _read_all(self) -> bool:
        """Take what has come; whether more of it may wait a little, rather than wake us up."""
        counts: list[int] = []
        self._for_all(lambda each: counts.append(each.read_all()))
        return any(counts) and max(counts) < MOST_AT_ONCE

    def _receive_file(self, recorder: Recorded) -> None:
        if not recorder.receive_file():
            self.forget(recorder.files)

    def _for_all(self, act: Callable[[Recorded], None]) -> None:
        for recorder in self._recorders:
            if not recorder.why:
                self._attempt(recorder, partial(act, recorder))
                self._tell_figures()

    def _tell_figures(self) -> None:
        """Those of all, if it is time; also of those that are to end, and wait until it is their turn."""
        now = time.monotonic()
        if now >= self._stat_at:
            self._stat_at = now + STAT_INTERVAL
            for recorder in self._recorders:
                self._attempt(recorder, partial(_tell, recorder))

    def _attempt(self, recorder: Recorded, act: Callable[[], None]) -> None:
        try:
            try:
                act()
            except OSError as error:
                recorder.note_failure(error)
        except Exception:  # noqa: BLE001 - what is wrong with one recorder ends that one alone
            recorder.control.complain(traceback.format_exc())
            recorder.why = recorder.why or "failed"
            self._failed.add(recorder)

    def _end_those_that_are_done(self) -> None:
        for recorder in [each for each in self._recorders if each.why]:
            self._recorders.remove(recorder)
            if recorder not in self._failed:
                self._attempt(recorder, recorder.finish)
                self._tell_figures()
            self._all.unregister(recorder.tap)
            self.forget(recorder.control.fileno())
            self.forget(recorder.files)
            has_failed = recorder in self._failed
            self._failed.discard(recorder)
            self._on_end(recorder, int(has_failed))


def _flush(recorder: Recorded) -> None:
    began = time.monotonic()
    recorder.flush()
    took = time.monotonic() - began
    if took >= SLOW:
        recorder.control.tell("slow", seconds=round(took, 1))


def _tell(recorder: Recorded) -> None:
    recorder.control.tell("stat", **recorder.figures())

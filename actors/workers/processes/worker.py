"""An actor for one worker process: it starts it, hears what it reports, and ends it when it hangs.

A process that reports nothing for HANG_TIMEOUT, or another time that is its `patience`, is killed, unless it waits for
its disk; it reports its figures every 5 s. What ends the process ends the actor, and the other way round, unless a
subclass lets another process go on after one that has died.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar, Final

import trio
from attrs import frozen

from actors.runtime.actor import Actor, ActorStopped, MailboxFull, StopReason
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.workers.processes.process import ProgramSource, WorkerProcess, WorkerSilent
from actors.workers.processes.shared_process import RecorderHosts
from actors.workers.processes.silence import Silence, waits_for_disk
from actors.workers.processes.worker_counts import WorkerCounts
from actors.workers.processes.zygote import Zygote

HANG_TIMEOUT: Final = 15.0
"""Seconds without a word after which a process is killed."""
FINISH_TIMEOUT: Final = 5.0
"""Seconds that a process may take to end after it was told to. What has a process with others has HANG_TIMEOUT: it
may be the file of one of those that it waits for, and they would end with it."""
LAST_WORDS: Final = 1.0
"""Seconds for which the last lines of an ended process are waited for."""
MAX_COMPLAINT: Final = 500
"""Characters of a line of its standard error that are logged."""

log = get_logger("workers")


@frozen
class Reported:
    """The process reports an event."""

    event: Mapping[str, Any]


@frozen
class Exited:
    """The process has ended; negative: by this signal."""

    status: int


WorkerMessage = Reported | Exited


class WorkerServices:
    """What all workers share."""

    def __init__(self) -> None:
        self.counts = WorkerCounts()
        self.zygote = Zygote()
        self.recorder_hosts = RecorderHosts()
        self.restart = trio.Lock()
        """Held while a process begins in the place of one that has died: ten may have died with one they shared."""
        self.complaints = RateLimitedLog(log, clock=trio.current_time)
        self.refused_steps: set[str] = set()
        """Steps of the sandbox that the system refused; each is logged once."""


class Worker(Actor[WorkerMessage]):
    """See above. A subclass says what is run, and what its events mean."""

    mailbox_size = 64
    program: ClassVar[str]

    def __init__(self, services: WorkerServices) -> None:
        super().__init__()
        self._shared = services
        self._process: WorkerProcess | None = None
        self._silence = Silence(math.inf)
        self._is_done = False
        """Whether the process has reported that its job is done."""

    @property
    def patience(self) -> float:
        """Seconds without a word after which the process is killed."""
        return HANG_TIMEOUT

    @property
    def pid(self) -> int | None:
        """Of the process; None before it is started."""
        return None if self._process is None else self._process.pid

    @property
    def source(self) -> ProgramSource | None:
        """What the next process begins from; None: it is simply started."""
        return self._shared.zygote if self._shared.zygote.forks(self.program) else None

    @abstractmethod
    def done(self, why: str, event: Mapping[str, Any]) -> StopReason:
        """The process has done its job, and says why it ended; the reason of this actor's end."""

    def goes_on(self) -> bool:
        """Whether another process is to go on after the one that has died."""
        return False

    async def begin_anew(self) -> None:
        """Start that other process."""

    def became_ready(self) -> None:
        """The process has begun to do its job."""

    def take_event(self, event: Mapping[str, Any]) -> None:
        """Another event than `ready`, `stat` and `done`."""

    def take_figures(self, event: Mapping[str, Any]) -> None:
        """The figures of a `stat`, or of a `done`."""

    async def spawn(self, job: Mapping[str, Any], descriptors: Sequence[int]) -> None:
        """Start the process; to be called by `on_start` or `begin_anew`. Raises OSError."""
        self._process = process = await WorkerProcess.start(self.program, job, descriptors, self.source)
        self._shared.counts.started(self.program)
        self._silence = Silence(self.patience)
        log.info("worker started", program=self.program, pid=process.pid, **self.end_log_fields())
        self.nursery.start_soon(self._attend, process, self._silence)

    async def tell(self, command: Mapping[str, Any]) -> None:
        """Give the process a command."""
        if self._process is not None:
            await self._process.send(command)

    def limit_end(self) -> None:
        """The process was told to end, or its work has: kill it when it takes too long, unless it waits for a disk."""
        if self._process is not None:
            self.nursery.start_soon(_kill_later, self._process)

    async def handle(self, message: WorkerMessage) -> None:
        match message:
            case Reported(event=event):
                self._take(event)
            case Exited(status=status):
                await self._exited(status)

    async def on_stop(self, reason: StopReason) -> None:
        if self._process is not None:
            await self._process.close()
            self._shared.counts.ended(self.program)

    # -- inside --------------------------------------------------------------------------------------------------

    def _take(self, event: Mapping[str, Any]) -> None:
        self._silence.broken(self.patience)
        kind = event.get("event")
        if kind == "ready":
            self._note_refused(event.get("refused", {}))
            self.became_ready()
        elif kind == "stat":
            self.take_figures(event)
        elif kind == "done":
            self._is_done = True
            self.take_figures(event)
            self.stop(self.done(str(event.get("why")), event))
        else:
            self.take_event(event)

    async def _exited(self, status: int) -> None:
        if self._is_done:
            return
        self._shared.counts.failed(self.program)
        log.error("worker died", crash=None, program=self.program, status=status, **self.end_log_fields())
        if self.goes_on() and self._process is not None:
            await self._process.close()
            self._process = None
            self._shared.counts.ended(self.program)
            await self.begin_anew()
        else:
            self.stop(StopReason(cause="worker-died"))

    def _note_refused(self, refused: Mapping[str, str]) -> None:
        for step, why in refused.items():
            if step not in self._shared.refused_steps:
                self._shared.refused_steps.add(step)
                log.warning("workers run without a part of their sandbox", step=step, why=why)

    async def _attend(self, process: WorkerProcess, silence: Silence) -> None:
        """Hear and watch it, until its end."""
        said = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, process, silence)
            nursery.start_soon(self._log_complaints, process, said)
            await self._hear(process, silence)
            status = await process.wait()
            with trio.move_on_after(LAST_WORDS):
                await said.wait()
            nursery.cancel_scope.cancel()
        with suppress(ActorStopped, MailboxFull):
            self.post(Exited(status))

    async def _hear(self, process: WorkerProcess, silence: Silence) -> None:
        try:
            async for event in process.events():
                silence.broken(self.patience)  # also while this actor is busy
                with suppress(ActorStopped):
                    self.post(Reported(event))
        except (WorkerSilent, MailboxFull) as error:
            log.error(
                "worker makes no sense", crash=None, program=self.program, why=str(error), **self.end_log_fields()
            )
            process.kill()

    async def _log_complaints(self, process: WorkerProcess, said: trio.Event) -> None:
        with suppress(WorkerSilent):
            async for line in process.complaints():
                self._shared.complaints.warning(
                    "worker complains", program=self.program, pid=process.pid, line=line[:MAX_COMPLAINT]
                )
        said.set()

    async def _watch(self, process: WorkerProcess, silence: Silence) -> None:
        await silence.too_long()
        while waits_for_disk(process.pid):
            self._shared.counts.disk_waits[self.program] += 1
            self._shared.complaints.warning(
                "worker waits for a disk",
                program=self.program,
                pid=process.pid,
                seconds=round(silence.seconds),
                **self.end_log_fields(),
            )
            silence.bear(self.patience)
            await silence.too_long()
        self._shared.counts.hung(self.program)
        log.error(
            "worker hangs and is killed", crash=None, program=self.program, pid=process.pid, **self.end_log_fields()
        )
        process.kill()


async def _kill_later(process: WorkerProcess) -> None:
    await trio.sleep(HANG_TIMEOUT if process.is_shared else FINISH_TIMEOUT)
    while waits_for_disk(process.pid):  # noqa: ASYNC110 - a disk tells nobody that it answers again
        await trio.sleep(HANG_TIMEOUT)
    process.kill()

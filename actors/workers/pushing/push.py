"""One push: a publication, a target, and one connection after the other until it is over.

    CONNECTING -> PUSHING -> (RETRYING -> CONNECTING ...) -> over

A push that a page asked for takes its publication along when it fails; one that REST asked for does not.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

import trio
from attrs import evolve, field, frozen

from actors.net.resolver import Resolver
from actors.runtime.actor import SHUTDOWN, crash_guard
from actors.runtime.logs import get_logger
from actors.workers.processes.worker import WorkerServices
from actors.workers.pushing.push_connection import AddressForbidden, AddressRule, TargetUnreachable, connect
from actors.workers.pushing.push_worker import PushJob, PushWorker
from protocol.common.growing_pause import GrowingPause
from protocol.rtmp.authentication import MOST_CONNECTIONS

LONGEST_DELAY: Final = 30.0
STEADY: Final = 60.0
"""Seconds of a connection after which those that failed before are forgotten."""
INTENDED: Final = frozenset({"ended", "stopped", "server-gone"})
USER_ASKED: Final = "user-asked"
FINAL: Final = frozenset({"refused", "forbidden"})
"""Ends after which another try would be no better."""

log = get_logger("workers")


class PushStatus(StrEnum):
    """What a push is doing."""

    CONNECTING = "CONNECTING"
    PUSHING = "PUSHING"
    RETRYING = "RETRYING"
    OVER = "OVER"


@frozen(kw_only=True)
class PushRequest:
    """A publication to be pushed. `on_failure` is called with the push, if its target is lost for good."""

    id: str
    stream_id: str
    """The publication's mediaSessionId."""
    stream_name: str
    app_key: str
    target_name: str
    size: Callable[[], tuple[int, int]]
    job: PushJob
    rule: AddressRule
    has_audio: bool
    retries: int = 0
    """How often it is tried again."""
    retry_delay: float = 1.0
    """Seconds before the first time; then twice as long each time, up to LONGEST_DELAY. Also what is at least between
    two connections of a publication whose tracks change."""
    on_failure: Callable[[], None] = field(default=lambda: None)


class Push:
    """See above. `run` is its life; all else is called meanwhile, and never waits."""

    def __init__(self, request: PushRequest, services: WorkerServices) -> None:
        self.request = request
        self.status = PushStatus.CONNECTING
        self.is_muted = request.job.is_muted
        self.cause = ""
        """Why it is over."""
        self.lost_by = ""
        """Why the last connection ended that was lost."""
        self.begun = trio.Event()
        """The target takes the stream, or it is over."""
        self.over = trio.Event()
        self.bytes = 0
        self.tries = self.published = 0
        """Connections that were tried, and those whose target took the stream."""
        self._services = services
        self._resolver = Resolver()  # its own: it forgets with it the names that strangers made it look up
        self._worker: PushWorker | None = None
        self._scope = trio.CancelScope()
        self._is_ending = False

    @property
    def is_over(self) -> bool:
        return self.status is PushStatus.OVER or self._is_ending

    @property
    def plays_sound(self) -> bool:
        return self._worker is not None and self._worker.plays_sound

    @property
    def pid(self) -> int | None:
        """Of its process."""
        return None if self._worker is None else self._worker.pid

    @property
    def has_failed(self) -> bool:
        return bool(self.cause) and self.cause not in INTENDED

    def finish(self, cause: str) -> None:
        """End it; what came so far is still sent."""
        if not self._is_ending:
            self._is_ending, self.cause = True, cause
            if self._worker is None or not self._worker.finish():
                self._scope.cancel()

    def abort(self) -> None:
        """End it now."""
        self.finish("stopped")
        if self._worker is not None:
            self._worker.stop(SHUTDOWN)
        self._scope.cancel()

    def mute(self, *, is_muted: bool) -> None:
        """Silence in the place of the published sound, or no longer."""
        self.is_muted = is_muted
        if self._worker is not None:
            self._worker.order({"do": "mute", "muted": is_muted})

    def play(self, file: int, *, loops: bool) -> bool:
        """Have an open file heard in the place of the published sound; False if it is not connected."""
        if self.status is not PushStatus.PUSHING or self._worker is None:
            return False
        self._worker.play(file, loops=loops)
        return True

    def stop_sound(self) -> None:
        """The published sound is heard again."""
        if self._worker is not None:
            self._worker.plays_sound = False
            self._worker.order({"do": "sound_off"})

    async def run(self) -> None:
        """Until it is over."""
        try:
            with self._scope:
                await self._connect_until_over()
        finally:
            self.status = PushStatus.OVER
            self.begun.set()
            self.over.set()

    def log_fields(self) -> dict[str, object]:
        """Which push it is, without its secrets."""
        request = self.request
        return {
            "push": request.id,
            "id": request.stream_id,
            "name": request.stream_name,
            "target": request.job.target.shown,
        }

    # -- inside --------------------------------------------------------------------------------------------------

    async def _connect_until_over(self) -> None:
        request = self.request
        tried, pause = 0, GrowingPause(request.retry_delay, LONGEST_DELAY)
        while True:
            began = trio.current_time()
            why, lasted = await self._try()
            if why in INTENDED or self._is_ending:
                self.cause = self.cause or why
                return
            if why == "changed":  # the publication has other tracks now, and may have others again
                await trio.sleep_until(began + request.retry_delay)
                continue
            if lasted >= STEADY:
                tried = 0
                pause.reset()
            if tried >= request.retries or why in FINAL:
                self.cause = why
                return
            self.status = PushStatus.RETRYING
            await trio.sleep(pause.next())
            tried += 1
            self.status = PushStatus.CONNECTING

    async def _try(self) -> tuple[str, float]:
        """One connection, or several, if the target asks for a user: why it ended, and for how many seconds it was
        taken."""
        self.tries += 1
        job = self.request.job
        for _ in range(MOST_CONNECTIONS):
            why, lasted, authentication = await self._connect(job)
            if why != USER_ASKED or self._is_ending:
                return why, lasted
            job = evolve(job, authentication=authentication)
        return self._note("target-refused", "it asks for a user again and again"), 0.0

    async def _connect(self, job: PushJob) -> tuple[str, float, str]:
        """One connection: why it ended, for how many seconds it was taken, and what the next one is to add."""
        job = evolve(job, is_muted=self.is_muted, log_fields=self.log_fields())
        try:
            connection = await connect(job.target, self.request.rule, job.timeout, self._resolver)
        except AddressForbidden as error:
            return self._note("forbidden", str(error)), 0.0, ""
        except TargetUnreachable as error:
            return self._note("unreachable", str(error)), 0.0, ""
        worker = self._worker = PushWorker(self._services, job, connection)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._note_publishing, worker)
                with crash_guard(lambda error: log.error("push crashed", crash=error, **self.log_fields())):
                    await worker.run()
                nursery.cancel_scope.cancel()
        finally:
            self._worker = None
            self.bytes += worker.bytes
        lasted = 0.0 if worker.published_at is None else trio.current_time() - worker.published_at
        return self._note(worker.why or "worker-died", worker.detail), lasted, worker.authentication

    async def _note_publishing(self, worker: PushWorker) -> None:
        await worker.publishing.wait()
        self.status = PushStatus.PUSHING
        self.published += 1
        self.begun.set()
        log.info("push is taken", **self.log_fields())

    def _note(self, why: str, detail: str) -> str:
        if why not in (*INTENDED, "changed", USER_ASKED) and not self._is_ending:
            self.lost_by = why
            log.warning("push lost its target", why=why, detail=detail, **self.log_fields())
        return why

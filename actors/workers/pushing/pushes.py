"""All pushes of the server: who may begin one and where to, and those that run."""

import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import trio
from attrs import asdict, define, field, frozen

from actors.node.ports.push import AlreadyPushed, NoSuchSound, PushRefused, UnusableTarget
from actors.runtime.actor import ActorStopped, crash_guard
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.overload import Overload
from actors.workers.processes.tap_channel import OpenTap
from actors.workers.processes.worker import WorkerServices
from actors.workers.pushing.push import Push, PushRequest
from actors.workers.pushing.push_connection import AddressRule, any_address
from actors.workers.pushing.push_worker import PushJob
from config.settings import Settings
from protocol.capture.uri import is_capture_name
from protocol.containers.depayloaders import CALL_CODECS, can_be_kept
from protocol.rest.resources.pushes import PushSound
from protocol.rtmp.target import BadTarget, RtmpTarget, read_target
from protocol.stream.info_texts import StreamInfo

OFF: Final = "Pushing is switched off"
TOO_MANY: Final = "Too many pushes"
FORBIDDEN: Final = "Access forbidden"
NOT_PLAYED: Final = "The push is not connected"
OPERATORS_SHARE: Final = 4
"""One in so many of `push.max_running` is kept for REST, however much pages ask for."""
DRAIN_TIMEOUT: Final = 2.0
"""Seconds that targets have at the end of the server to take what waits for them."""
MAX_SOUND_FILE: Final = 64 << 20

log = get_logger("workers")


@define(eq=False)
class PushCounts:
    """Plain numbers that only grow."""

    started: int = 0
    published: int = 0
    """Connections whose target took the stream."""
    failed: int = 0
    """Those whose target was lost for good, or never reached."""
    retried: int = 0
    refused: int = 0
    """Those that did not begin, because of a setting, a limit or overload."""
    bytes: int = 0
    """Sent to targets, of connections that have ended."""


@frozen(kw_only=True)
class PushedStream:
    """A publication, as pushes see it."""

    media_session_id: str
    name: str
    app_key: str
    video_codec: str | None
    audio_codec: str | None
    size: Callable[[], tuple[int, int]]
    open_tap: OpenTap


@frozen(kw_only=True)
class PushTo:
    """Where a publication is to be pushed. `is_full`: None as the settings say. `by_page`: not by REST."""

    url: str = field(repr=False)
    is_full: bool | None = None
    by_page: bool = False
    is_muted: bool = False
    sound: PushSound | None = None
    """To be heard from the beginning on."""
    on_failure: Callable[[], None] = field(default=lambda: None)


class Pushes:
    """See above. It is a service; `run` holds the tasks of all pushes."""

    def __init__(
        self,
        settings: Settings,
        sounds: Path,
        overload: Overload,
        page_rule: AddressRule,
        services: WorkerServices | None = None,
    ) -> None:
        self.counts = PushCounts()
        self.services = services or WorkerServices()
        self._settings = settings
        self._sounds = sounds
        self._overload = overload
        self._page_rule = page_rule
        self._running: dict[str, Push] = {}
        self._changed = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._refusals = RateLimitedLog(log, clock=trio.current_time)

    def __len__(self) -> int:
        return len(self._running)

    def __iter__(self) -> Iterator[Push]:
        """Those that run, oldest first."""
        return (push for push in self._running.values() if not push.is_over)

    def of(self, push: str) -> Push | None:
        """The one with this id, if it runs."""
        found = self._running.get(push)
        return None if found is None or found.is_over else found

    def statistics(self) -> Mapping[str, int]:
        """The group `pushes` of `/?action=stat`."""
        return {"pushes": len(self), **{f"pushes_{name}": value for name, value in asdict(self.counts).items()}}

    def start(self, stream: PushedStream, to: PushTo) -> Push:
        """Begin a push. Raises UnusableTarget, AlreadyPushed or PushRefused."""
        try:
            target = self.target(stream.name, to)
            self._admit(stream, to, target)
        except PushRefused as refused:
            self._note_refusal(stream, refused)
            raise
        if any(each.request.stream_id == stream.media_session_id and _is_same(each, target) for each in self):
            raise AlreadyPushed
        push = Push(self._request(stream, to, target), self.services)
        if self._nursery is None:
            raise ActorStopped("pushes are not served")
        self._running[push.request.id] = push
        self.counts.started += 1
        self._nursery.start_soon(self._oversee, push)
        if to.sound is not None:
            self._nursery.start_soon(self._play_first, push, to.sound)
        log.info("push started", **push.log_fields())
        return push

    def target(self, stream_name: str, to: PushTo) -> RtmpTarget:
        """Where a publication of this name would go. Raises UnusableTarget."""
        settings = self._settings
        is_full = settings.rtmp_transponder_full_url if to.is_full is None else to.is_full
        if is_capture_name(stream_name) and not is_full:
            raise UnusableTarget("must be whole (rtmpTransponderFullUrl): this stream's name, a URI, stays here")
        try:
            return read_target(to.url, self.name_at_target(stream_name), is_full=is_full)
        except BadTarget as error:
            raise UnusableTarget(str(error)) from None

    def name_at_target(self, stream_name: str) -> str:
        """What a publication is called there."""
        return f"{self._settings.rtmp_transponder_stream_name_prefix or ''}{stream_name}"

    def stream_ended(self, media_session_id: str) -> None:
        """A publication is over, and with it all its pushes."""
        for push in tuple(self):
            if push.request.stream_id == media_session_id:
                push.finish("ended")

    async def open_sound(self, sound: PushSound) -> int:
        """The descriptor of a file in the folder of sounds. Raises NoSuchSound."""
        return await trio.to_thread.run_sync(_open_sound, self._settings.push_sounds_folder or self._sounds, sound.file)

    async def play(self, push: Push, sound: PushSound) -> None:
        """Have a file heard in the place of the published sound. Raises NoSuchSound or PushRefused."""
        descriptor = await self.open_sound(sound)
        try:
            if not push.play(descriptor, loops=sound.loops):
                raise PushRefused(NOT_PLAYED)
        except OSError:
            raise PushRefused(NOT_PLAYED) from None
        finally:
            os.close(descriptor)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the tasks of pushes until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    async def drain(self) -> None:
        """End all that run, and wait for DRAIN_TIMEOUT seconds at most."""
        for push in tuple(self._running.values()):
            push.finish("stopped")
        with trio.move_on_after(DRAIN_TIMEOUT):
            while self._running:
                await self._changed.wait()
        for push in tuple(self._running.values()):
            push.abort()

    # -- inside --------------------------------------------------------------------------------------------------

    def _admit(self, stream: PushedStream, to: PushTo, target: RtmpTarget) -> None:
        settings = self._settings
        most = settings.push_max_running
        if len(self._running) >= (most - most // OPERATORS_SHARE if to.by_page else most):
            raise PushRefused(TOO_MANY, "push.max_running")
        if self._overload.refuses():
            raise PushRefused(StreamInfo.SERVER_IS_OVERLOADED, "overload.max_loop_lag")
        if to.by_page and not settings.push_allow.may_resolve(target.host):
            raise PushRefused(FORBIDDEN, "push.allow")
        if stream.video_codec not in (None, "H264") and not settings.push_transcode:
            raise PushRefused(StreamInfo.TRANSCODING_REQUIRED_BUT_DISABLED, "push.transcode")
        if stream.audio_codec is not None and not can_be_kept(stream.audio_codec):
            raise PushRefused(f"Streams with {stream.audio_codec} are not pushed", CALL_CODECS)

    def _request(self, stream: PushedStream, to: PushTo, target: RtmpTarget) -> PushRequest:
        settings = self._settings
        job = PushJob(
            target=target,
            open_tap=stream.open_tap,
            transcode=settings.push_transcode_bitrate * 1000 if settings.push_transcode else 0,
            timeout=settings.push_timeout,
            ca_file=None if settings.push_ca_file is None else str(settings.push_ca_file),
            is_muted=to.is_muted,
        )
        return PushRequest(
            id=secrets.token_hex(13),
            stream_id=stream.media_session_id,
            stream_name=stream.name,
            app_key=stream.app_key,
            target_name=self.name_at_target(stream.name),
            size=stream.size,
            job=job,
            rule=self._page_rule if to.by_page else any_address,
            has_audio=stream.audio_codec is not None,
            retries=settings.push_reconnect_attempts,
            retry_delay=settings.push_reconnect_delay,
            on_failure=to.on_failure,
        )

    async def _oversee(self, push: Push) -> None:
        try:
            with crash_guard(lambda error: log.error("push crashed", crash=error, **push.log_fields())):
                await push.run()
        finally:
            del self._running[push.request.id]
            self.counts.failed += push.has_failed
            self.counts.bytes += push.bytes
            self.counts.retried += push.tries - 1 if push.tries else 0
            self.counts.published += push.published
            self._changed.set()
            self._changed = trio.Event()
        log.info("push ended", cause=push.cause or "crash", bytes=push.bytes, **push.log_fields())
        if push.has_failed or not push.cause:
            push.request.on_failure()

    async def _play_first(self, push: Push, sound: PushSound) -> None:
        await push.begun.wait()
        try:
            await self.play(push, sound)
        except (NoSuchSound, PushRefused) as error:
            log.warning("push goes on without its sound", why=str(error), **push.log_fields())

    def _note_refusal(self, stream: PushedStream, refused: PushRefused) -> None:
        self.counts.refused += 1
        self._refusals.warning(
            "push refused", id=stream.media_session_id, name=stream.name, info=refused.info, setting=refused.setting
        )


def _is_same(push: Push, target: RtmpTarget) -> bool:
    other = push.request.job.target
    return (other.tc_url, other.key) == (target.tc_url, target.key)


def _open_sound(folder: Path, name: str) -> int:
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise NoSuchSound
    try:
        descriptor = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):
        raise NoSuchSound from None
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_SOUND_FILE:
        os.close(descriptor)
        raise NoSuchSound
    return descriptor

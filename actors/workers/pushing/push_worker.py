"""One connection of a push: the process that feeds it."""

import os
import socket
from collections.abc import Mapping
from typing import Any, Final

import trio
from attrs import field, frozen

from actors.runtime.actor import StopReason
from actors.workers.processes.tap_channel import OpenTap, WorkerTap, tap_channel
from actors.workers.processes.worker import Worker, WorkerServices
from protocol.rtmp.target import RtmpTarget

MAX_DETAIL: Final = 200


@frozen(kw_only=True)
class PushJob:
    """What is pushed where, and how. `transcode` in bit/s, 0: not at all; `timeout` in seconds.

    `authentication`: what this connection is to tell of the user, after others were asked for one.
    """

    target: RtmpTarget
    open_tap: OpenTap
    transcode: int
    timeout: float
    ca_file: str | None = None
    authentication: str = field(default="", repr=False)
    is_muted: bool = False
    log_fields: Mapping[str, object] = field(factory=dict)


class PushWorker(Worker):
    """It takes over the descriptor of a connected socket."""

    program = "push"

    def __init__(self, services: WorkerServices, job: PushJob, connection: int) -> None:
        super().__init__(services)
        self.bytes = self.dropped = 0
        self.publishing = trio.Event()
        """The target has taken the stream."""
        self.published_at: float | None = None
        self.why = ""
        """Why it ended: `ended`, `stopped`, `target-refused` ...; empty if the process died."""
        self.detail = ""
        """What the target said of it."""
        self.authentication = ""
        """What another connection is to say, if the target asks who publishes."""
        self.plays_sound = False
        self.sends_silence = job.is_muted
        self._job = job
        self._connection = connection
        self._orders: socket.socket | None = None
        self._tap: WorkerTap | None = None
        self._is_finishing = False
        self._due: dict[str, Mapping[str, Any]] = {}
        """Commands that the process has not got yet."""

    def finish(self) -> bool:
        """End it, when everything that came so far is sent; False if it has not begun. Never waits."""
        self._is_finishing = True
        if self.reason is None and self._nursery is not None:
            self.nursery.start_soon(self._end_process)
        return self._nursery is not None

    def order(self, command: Mapping[str, Any]) -> None:
        """Give the process a command; of several of one kind the last one counts. Never waits."""
        is_sending, self._due[command["do"]] = bool(self._due), command
        if not is_sending and self.reason is None and self._nursery is not None:
            self.nursery.start_soon(self._send_orders)

    def play(self, file: int, *, loops: bool) -> None:
        """Have it play this open file."""
        if self._orders is not None:
            socket.send_fds(self._orders, [b"loop" if loops else b"once"], [file], socket.MSG_DONTWAIT)

    # -- the actor -----------------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        try:
            await self._begin(self._connection)
        except OSError as error:
            self.why, self.detail = "cannot-start", error.strerror or ""
            self.stop(StopReason(cause=self.why))

    def take_event(self, event: Mapping[str, Any]) -> None:
        match event.get("event"):
            case "publishing":
                self.published_at = trio.current_time()
                self.publishing.set()
            case "keyframe" if self._tap is not None:
                self._tap.request_key_frame()
            case "muted":
                self.sends_silence = event.get("muted") is True
            case "sound":
                self.plays_sound = event.get("on") is True

    def take_figures(self, event: Mapping[str, Any]) -> None:
        sent = event.get("bytes")
        self.bytes = sent if isinstance(sent, int) else self.bytes

    def done(self, why: str, event: Mapping[str, Any]) -> StopReason:
        self.why, self.detail = why, str(event.get("detail", ""))[:MAX_DETAIL]
        self.authentication = str(event.get("authentication", ""))
        return StopReason(cause=why)

    def teardown(self, reason: StopReason) -> None:
        if self._tap is not None:
            self.dropped = self._tap.dropped
            self._tap.close()
        if self._orders is not None:
            self._orders.close()

    async def on_stop(self, reason: StopReason) -> None:
        self._close_connection()
        await super().on_stop(reason)

    def drop_references(self) -> None:
        self._tap = self._orders = None

    def end_log_fields(self) -> dict[str, object]:
        return dict(self._job.log_fields)

    # -- inside --------------------------------------------------------------------------------------------------

    def _close_connection(self) -> None:
        """The process has its own; without this one it is closed when the process ends."""
        descriptor, self._connection = self._connection, -1
        if descriptor >= 0:
            os.close(descriptor)

    async def _begin(self, connection: int) -> None:
        ours, theirs = tap_channel()
        self._orders, orders = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            await self.go_on()
            self._tap = self._job.open_tap(ours, self._tap_ended)
            descriptors = {"tap": theirs.fileno(), "target": connection, "orders": orders.fileno()}
            await self.spawn(self._described() | descriptors, tuple(descriptors.values()))
            if self._is_finishing:  # it was told to end meanwhile
                await self._end_process()
        finally:
            theirs.close()
            orders.close()
            self._close_connection()
            if self._tap is None:
                ours.close()

    def _described(self) -> dict[str, Any]:
        job, target = self._job, self._job.target
        return {
            "app": target.app,
            "key": target.key,
            "tc_url": target.tc_url,
            "user": None if target.user is None else (target.user.name, target.user.password),
            "authentication": job.authentication,
            "tls": target.host if target.is_secure else None,
            "ca_file": job.ca_file,
            "timeout": job.timeout,
            "transcode": job.transcode,
            "muted": job.is_muted,
        }

    async def _send_orders(self) -> None:
        while self._due:
            kind, command = next(iter(self._due.items()))
            await self.tell(command)
            if self._due[kind] is command:
                del self._due[kind]

    async def _end_process(self) -> None:
        self.limit_end()
        await self.tell({"do": "stop"})

    def _tap_ended(self) -> None:
        if self.reason is None and self._nursery is not None:
            self.limit_end()

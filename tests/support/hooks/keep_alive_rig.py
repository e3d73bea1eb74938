"""Streams as the walk for keep-alives sees them, and the walk itself."""

from typing import Any

from attrs import define, evolve, field

from actors.hooks.lanes.keep_alive_slot import KeepAliveSlot
from actors.hooks.lanes.lane import HookLane
from actors.runtime.actor import StopReason
from actors.stream.keep_alive_schedule import StreamKeepAlive
from config.settings import Settings
from protocol.hooks import HookMethod
from tests.support.hooks.hook_rig import APP


@define(eq=False)
class Stream:
    """A live stream as the walker sees it."""

    media_session_id: str
    keep_alive_slot: KeepAliveSlot
    app_key: str = APP.key
    session_id: str = "s"
    stopped: list[StopReason] = field(factory=list)
    warnings: list[tuple[HookMethod, str]] = field(factory=list)

    def keep_alive_body(self) -> dict[str, Any]:
        if self.media_session_id == "broken":
            raise ValueError("a bug of this stream's own")
        return {"mediaSessionId": self.media_session_id, "sdp": "v=0"}

    def stop(self, reason: StopReason) -> None:
        self.stopped.append(reason)
        self.keep_alive_slot.close()

    def warn(self, method: HookMethod, info: str) -> None:
        self.warnings.append((method, info))


def stream(lane: HookLane, name: str) -> Stream:
    return Stream(name, lane.keep_alive_slot())


def keep_alive_settings(interval: float = 10.0) -> Settings:
    return evolve(
        Settings(),
        keep_alive_streaming_sessions_enabled=True,
        streaming_sessions_keep_alive_interval=interval,
        streaming_sessions_keep_alive_app_keys=(APP.key,),
    )


def walker_over(settings: Settings, streams: list[Stream]) -> StreamKeepAlive:
    return StreamKeepAlive(settings, lambda: [stream for stream in streams if not stream.stopped])

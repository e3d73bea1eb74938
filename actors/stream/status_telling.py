"""How the statuses of one stream are told: its owner comes first, then the backend, then those who read events."""

from collections.abc import Callable
from typing import Any

from actors.stream.life_report import StatusReports
from actors.stream.owner import StreamOwner
from protocol.hooks import HookMethod, stream_body
from protocol.node.descriptions import StreamDescription
from protocol.stream.status_notice import StatusNotice

_METHOD = HookMethod.STREAM_STATUS_EVENT


class StatusTelling:
    """Each status takes two steps, `tell` and `report`. Of many streams that end, the first step is done for all first.

    Where the backend may change what the owner sees, or hides something from it, the owner is told in the second step,
    or after the backend's answer. The event of the last status waits for `release`.
    """

    def __init__(self, owner: StreamOwner, events: StatusReports) -> None:
        self._owner = owner
        self._events = events
        self._notice: StatusNotice | None = None  # told, but not reported yet
        self._is_shown = False

    def tell(self, notice: StatusNotice) -> None:
        """The stream has a new status."""
        self._notice = notice
        self._is_shown = self._owner.lane.shows_all(_METHOD)
        if self._is_shown:
            self._owner.status(notice)

    def report(self, describe: Callable[[], StreamDescription], *, custom: Any, is_last: bool) -> None:
        """Tell everybody else about what was told last, if they have not been; `custom` is the client's."""
        notice, self._notice = self._notice, None
        if notice is None:
            return
        stream = describe()
        self._events.status(stream, is_last=is_last)
        lane = self._owner.lane
        if self._is_shown:
            if lane.sends(_METHOD):
                lane.notify(_METHOD, stream_body(stream, custom=custom), last=is_last)
            return
        body = stream_body(stream, custom=custom)

        def deliver(shown: dict[str, Any]) -> None:
            self._owner.status(notice.as_shown(body, shown))

        lane.event(_METHOD, body, deliver=deliver, last=is_last)

    def release(self) -> None:
        """The stream is over, and everybody else has been told."""
        self._events.release()

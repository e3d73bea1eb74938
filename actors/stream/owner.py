"""A stream's owner, as the stream sees it.

A stream does not know what its owner is. The WebSDK's session is one kind. Any other kind (an HTTP resource, a relay, a
call) needs only this interface, and its streams get hooks, terminate, keep-alive, find, statuses and log lines without
further code:

    start_stream(PublishedStream, request, owner, services)     starts it
    owner.answer, status, event, warn, ...                      what it reports
    stream.user_stop(), stream.stop(reason)                     ends it
    owner.ended                                                 it is over

All methods are called on the server's event loop. They must not raise or wait.
"""

from typing import Protocol

from actors.hooks.lanes.lane import HookLane
from protocol.access.kicks import Subject
from protocol.hooks import HookContext, HookMethod
from protocol.stream.events import StreamEvent
from protocol.stream.status_notice import StatusNotice


class StreamOwner(Protocol):
    """The owner of one or more streams; each method says which stream it is about."""

    @property
    def context(self) -> HookContext:
        """Node, application and session of the owner's streams, for hooks and REST."""

    @property
    def lane(self) -> HookLane:
        """The lane for the hooks of all its streams, in order. The owner opens and closes it."""

    @property
    def subject(self) -> Subject:
        """Who the owner is, for bans."""

    def answer(self, media_session_id: str, sdp: str) -> None:
        """`sdp` answers the offer. Called once for each stream, unless the stream ends first."""

    def status(self, notice: StatusNotice) -> None:
        """A stream has a new status. The last one is terminal; each status comes once.

        If the backend may overwrite statuses, they come after its answer, the last one possibly after `ended`.
        """

    def event(self, media_session_id: str, event: StreamEvent) -> None:
        """A played stream reports an event: from its publisher, about the picture, or about its own path."""

    def warn(self, media_session_id: str, method: HookMethod, info: str) -> None:
        """The backend failed at `method`; the stream goes on."""

    def stop_refused(self, media_session_id: str, method: HookMethod, info: str) -> None:
        """The backend refused, at `method`, the stop that the owner's user requested; the stream goes on."""

    def ended(self, media_session_id: str) -> None:
        """The stream is over: it has released everything and accepts no more calls. Called once."""

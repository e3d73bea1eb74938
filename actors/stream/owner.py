"""Who asked for a stream, as the stream sees it.

A stream does not know what its owner is. The WebSDK's session is one kind; another one (an HTTP resource, a relay, a
call) needs no more than this, and has hooks, terminate, keep-alive, find, statuses and log lines for its streams
without a line more:

    start_stream(PublishedStream, request, owner, services)     begins one
    owner.answer, status, event, warn, ...                      what it tells
    stream.user_stop(), stream.stop(reason)                     ends it
    owner.ended                                                 it is over

All methods are called on the server's loop, must not raise and must not wait.
"""

from typing import Protocol

from actors.hooks.lane import HookLane
from protocol.hooks import HookContext, HookMethod
from protocol.stream.events import StreamEvent
from protocol.stream.status_notice import StatusNotice


class StreamOwner(Protocol):
    """The owner of one or more streams; each method says which one it is about."""

    @property
    def context(self) -> HookContext:
        """Node, application and session that the owner's streams are filed under, in hooks and for REST."""

    @property
    def lane(self) -> HookLane:
        """Where the hooks of all its streams go, in order; the owner opens and closes it."""

    def answer(self, media_session_id: str, sdp: str) -> None:
        """The offer is answered by `sdp`. Once for each stream, unless it ends before."""

    def status(self, notice: StatusNotice) -> None:
        """A stream has another status. Its last one is terminal; each status comes once.

        Where the backend may overwrite statuses they come after its answer, the last one perhaps after `ended`.
        """

    def event(self, media_session_id: str, event: StreamEvent) -> None:
        """A played stream tells of an event: of its publisher's, of the picture, of its own path."""

    def warn(self, media_session_id: str, method: HookMethod, info: str) -> None:
        """The backend failed at `method`; the stream goes on."""

    def stop_refused(self, media_session_id: str, method: HookMethod, info: str) -> None:
        """The backend has forbidden (`method`) the stop that the owner's user wanted; the stream goes on."""

    def ended(self, media_session_id: str) -> None:
        """The stream is over: it holds nothing any more, and takes no orders. Once."""

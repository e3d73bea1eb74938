"""How a session handles its client's requests for pictures: the backend may refuse one, and the answer has two forms.

Until June 2022 the answer was a status; since then it is an event. Pages pin the SDK that they were written for, and
each form does no harm to SDKs that expect the other, so both are sent.
"""

from collections.abc import Callable, Container
from typing import Final

import trio

from actors.node.ports.recorder import NoSuchPublication
from actors.node.ports.snapshot import SnapshotRefused
from actors.session.requests.backend_requests import TOO_MANY_WAITING, BackendRequests
from actors.session.requests.websdk_owner import SessionOwner
from actors.stream import StreamServices
from protocol.common.rate_limit import RateLimit
from protocol.hooks import Allow, HookMethod, Verdict, snapshot_body
from protocol.signaling.frames import NotifyStreamEvent, NotifyStreamStatusEvent, Snapshot
from protocol.stream.events import StreamEvent
from protocol.stream.info_texts import StreamInfo
from protocol.stream.pictures import PictureSpec
from protocol.stream.statuses import StreamEventType, StreamStatus

RATE: Final = 2.0
"""Pictures per second that a client may ask for, each of which may be a megabyte; BURST at once."""
BURST: Final = 4.0
NOT_SERVED: Final = "Snapshots are not supported"
TOO_MANY: Final = "Too many snapshots"


class SnapshotRequests:
    """The pictures that one client asks for. `streams`: the ids of its live streams."""

    def __init__(
        self,
        owner: SessionOwner,
        services: StreamServices,
        backend: BackendRequests,
        nursery: Callable[[], trio.Nursery],
        streams: Container[str],
    ) -> None:
        self._owner = owner
        self._services = services
        self._backend = backend
        self._nursery = nursery
        self._streams = streams
        self._rate = RateLimit(RATE, BURST)

    def take(self, frame: Snapshot) -> None:
        """Ask the backend, and answer once the picture is there."""

        def decided(verdict: Verdict) -> None:
            if isinstance(verdict, Allow):
                self._nursery().start_soon(self._answer, frame)
            else:
                self._fail(frame, verdict.info)

        if not self._rate.take(trio.current_time()):
            self._services.refusals.warning(
                "snapshot refused", session=self._owner.context.session_id, limit=f"{RATE:g} per second and client"
            )
            self._fail(frame, TOO_MANY)
            return
        body = snapshot_body(self._owner.context, name=frame.name, media_session_id=frame.media_session_id)
        if not self._backend.ask(HookMethod.SNAPSHOT, body, decided):
            self._fail(frame, TOO_MANY_WAITING)

    async def _answer(self, frame: Snapshot) -> None:
        snapshots = self._services.snapshots
        if snapshots is None:
            is_there = self._services.directory.is_announced(frame.name)
            self._fail(frame, NOT_SERVED if is_there else StreamInfo.STREAM_NOT_FOUND)
            return
        try:
            picture = await snapshots.of(
                frame.name, PictureSpec(max_bytes=self._services.settings.snapshot_page_max_bytes)
            )
        except NoSuchPublication:
            self._fail(frame, StreamInfo.STREAM_NOT_FOUND)
        except SnapshotRefused as refused:
            self._fail(frame, refused.info)
        else:
            event = StreamEvent(StreamEventType.SNAPSHOT_COMPLETED, {"snapshot": picture.text})
            self._owner.event(frame.media_session_id, event)

    def _fail(self, frame: Snapshot, info: str) -> None:
        address = frame.media_session_id
        failed = StreamEventType.SNAPSHOT_FAILED
        self._owner.send(NotifyStreamEvent(media_session_id=address, type=failed, payload={"info": info}))
        if address not in self._streams:  # else the status would end the client's own stream
            self._owner.send(
                NotifyStreamStatusEvent(
                    media_session_id=address, status=StreamStatus.FAILED, info=info, name=frame.name
                )
            )

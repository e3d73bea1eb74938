"""All captures of the server: begun for players and for REST, one for each source, and found again."""

import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import trio
from attrs import asdict, define, frozen

from actors.capture.capture import Capture, new_capture_id
from actors.capture.sources import provider_of, source_of
from actors.hooks.dispatcher import HookDispatcher
from actors.media.events import Post
from actors.media.ingest.feed_reader import Feeds
from actors.node.drain import Drain
from actors.node.ports.capture import (
    NAME_IN_USE,
    AlreadyCaptured,
    AmbiguousCapture,
    CaptureDescription,
    CaptureFailed,
    NoSuchCapture,
)
from actors.runtime.actor import StopReason
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.storage.app_store import AppStore
from actors.storage.source_store import SourceStore
from actors.stream import Broadcast, StreamRefused, StreamServices, start_stream
from actors.stream.capture_starter import CaptureRefused
from actors.stream.captured import CapturedStream
from actors.workers.capturing.capturing import CaptureSource
from actors.workers.capturing.processor_share import usable_cores
from actors.workers.capturing.source_access import SourceAccess, SourceDenied
from actors.workers.capturing.source_feed import SourceFeed
from actors.workers.processes.worker import WorkerServices
from config.settings import Settings
from protocol.capture.uri import (
    BadCaptureUri,
    CaptureScheme,
    CaptureUri,
    capture_key,
    is_capture_name,
    read_capture_uri,
)
from protocol.hooks import HookContext, HookMethod, MethodConfig, RestClientConfig, RestOnError
from protocol.rest.paging import Found
from protocol.stream.info_texts import StreamInfo
from protocol.stream.request import StreamRequest

log = get_logger("capture")
NOT_ALLOWED: Final = "capture.allow"
_POLICIES: Final = RestClientConfig({HookMethod.STREAM_KEEP_ALIVE_EVENT: MethodConfig(rest_on_error=RestOnError.FAIL)})
"""No `connect` is sent for a capture, in whose answer a backend could choose: its 403 to a keep-alive ends it."""
GIVEN_UP: Final = StopReason(cause="user", info=StreamInfo.STOPPED_BY_USER)


@define(eq=False)
class CaptureCounts:
    """Plain numbers that only grow."""

    started: int = 0
    failed: int = 0
    """Those whose source could not be opened."""
    refused: int = 0
    """Those that a limit or a rule refused."""
    reconnects: int = 0


@frozen(kw_only=True)
class CaptureServices:
    """What captures need of the server."""

    node_id: str
    settings: Settings
    dispatcher: HookDispatcher
    apps: AppStore
    feeds: Feeds
    vod_folder: Path
    """Where files are, unless a setting says otherwise."""
    access: SourceAccess
    """What clients may name."""
    sources: SourceStore
    """Names that stand for URIs."""


class Captures:
    """See above. It implements `CaptureStarter` for streams, and `CapturePort` for REST."""

    def __init__(self, services: CaptureServices, workers: WorkerServices) -> None:
        self.counts = CaptureCounts()
        self.cores = usable_cores()
        """Of which `capture.max_load` is a share."""
        self._services = services
        self._workers = workers
        self._streams: StreamServices | None = None
        self._nursery: trio.Nursery | None = None
        self._captures: list[Capture] = []
        self._refusals = RateLimitedLog(log, clock=trio.current_time)

    def __len__(self) -> int:
        return len(self._captures)

    def statistics(self) -> Mapping[str, int]:
        """The group `captures` of `/?action=stat`."""
        counts = asdict(self.counts)
        counts["reconnects"] += sum(each.reconnects for each in self._captures)
        counts["denied"] = self._services.access.denied
        return {"captures": len(self), **{f"captures_{name}": value for name, value in counts.items()}}

    def count_streams(self) -> Mapping[str, int]:
        """How many come by RTSP and by RTMP, as the console names them; it has no names for files and HLS."""
        providers = Counter(provider_of(each.uri) for each in self._captures)
        return {"streams_rtsp_in": providers["RTSP"], "streams_rtmp_in": providers["RTMP"]}

    async def run(
        self, streams: StreamServices, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Hold the tasks of captures until cancelled."""
        self._streams = streams
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    # -- for players ---------------------------------------------------------------------------------------------

    def serves(self, name: str) -> bool:
        """See `CaptureStarter.serves`."""
        return is_capture_name(name) or self._services.sources.table.by_name(name) is not None

    async def capture(self, name: str, *, by_operator: bool) -> Broadcast:
        """See `CaptureStarter.capture`."""
        named = self._services.sources.table.by_name(name)
        text = name if named is None else named.uri
        capture = next(self._of(text), None)
        if capture is None:
            uri, is_trusted = self._read(text), by_operator or named is not None
            if not is_trusted:
                self._check(uri)
            if named is not None:
                self._end_former(name)
            own = f"{name}#{secrets.token_hex(4)}" if uri.scheme is CaptureScheme.VOD else name
            capture = self._begin(uri, name=own, kept=False, is_trusted=is_trusted)
            capture.hides_uri = named is not None
        return await capture.opened.answer()

    # -- for REST ------------------------------------------------------------------------------------------------

    @property
    def here(self) -> "Captures":
        return self

    async def start(self, uri: CaptureUri, name: str) -> None:
        """See `CapturePort.start`."""
        try:
            await self.keep(uri, name)
        except NoSuchCapture:
            if self._is_taken(name):
                raise AlreadyCaptured(NAME_IN_USE) from None
            with _failures():
                await self._begin_kept(uri, name)

    async def keep(self, uri: CaptureUri, name: str) -> None:
        """See `LocalCapturePort.keep`."""
        capture = next(self._of(uri.text), None)
        if capture is None:
            raise NoSuchCapture
        if capture.kept or name not in (uri.text, capture.name):
            raise AlreadyCaptured
        with _failures():
            await _keep(capture)

    async def find(self, schemes: frozenset[CaptureScheme]) -> Found[CaptureDescription]:
        """See `CapturePort.find`."""
        found = tuple(self._describe(each) for each in self._captures if each.uri.scheme in schemes)
        return Found(total=len(found), items=found)

    async def terminate(self, uri: str, schemes: frozenset[CaptureScheme], reason: StopReason) -> None:
        """See `CapturePort.terminate`."""
        known = [each for each in self._captures if each.uri.scheme in schemes]
        found = [each for each in known if each.uri.text == uri] or [each for each in known if each.shown_uri == uri]
        if not found:
            raise NoSuchCapture
        if len({each.uri.text for each in found}) > 1:
            raise AmbiguousCapture(tuple(each.name for each in found))
        for capture in found:
            await self._end(capture, reason)

    # -- inside --------------------------------------------------------------------------------------------------

    def _describe(self, capture: Capture) -> CaptureDescription:
        stream = capture.stream
        return CaptureDescription(
            key=capture_key(capture.uri.text),
            uri=capture.shown_uri,
            name=capture.name,
            status=capture.state,
            media_session_id="" if stream is None else stream.media_session_id,
            has_audio=stream is not None and stream.has_audio,
            has_video=stream is not None and stream.has_video,
            node_id=self._services.node_id,
        )

    def _of(self, uri: str) -> Iterator[Capture]:
        """The capture that players of this URI share."""
        live = (each for each in self._captures if each.uri.text == uri and not each.over.is_set())
        return (each for each in live if each.uri.scheme is not CaptureScheme.VOD)

    async def _begin_kept(self, uri: CaptureUri, name: str) -> None:
        """For REST: who gives up waiting does not want it any more. Raises CaptureRefused."""
        capture = self._begin(uri, name=name, kept=True, is_trusted=True)
        try:
            await capture.opened.answer()
        except trio.Cancelled:
            capture.end(GIVEN_UP)
            raise

    def _is_taken(self, name: str) -> bool:
        is_alias = self._services.sources.table.by_name(name) is not None
        return is_alias or any(each.name == name for each in self._captures)

    def _read(self, name: str) -> CaptureUri:
        try:
            return read_capture_uri(name)
        except BadCaptureUri as error:
            raise self._refuse(StreamInfo.BAD_URI, name, why=str(error)) from None

    def _check(self, uri: CaptureUri) -> None:
        """Whether a client may name it. Raises CaptureRefused."""
        if uri.is_file:
            return
        try:
            self._services.access.check_host(uri.host)
        except SourceDenied:
            raise self._refuse(StreamInfo.RESTRICTED_ACCESS, uri.text, setting=NOT_ALLOWED) from None

    def _end_former(self, name: str) -> None:
        """The source of this name is another one now. No wait: two players who come together would both begin it."""
        for capture in [each for each in self._captures if each.name == name and not each.kept]:
            capture.end(GIVEN_UP)

    def _begin(self, uri: CaptureUri, *, name: str, kept: bool, is_trusted: bool) -> Capture:
        """A capture that runs from now on. Raises CaptureRefused."""
        settings, streams, nursery = self._services.settings, self._streams, self._nursery
        if streams is None or nursery is None:
            raise CaptureRefused(StreamInfo.SESSION_NOT_READY)
        self._admit(name)
        capture = self._make(uri, name=name, kept=kept, access=None if is_trusted else self._services.access)
        wanted = StreamRequest(
            media_session_id=capture.context.session_id.removeprefix("capture-"),
            name=name,
            sdp="",
            media_provider=provider_of(uri),
            record=settings.record_rtsp_streams,
        )
        try:
            capture.stream = start_stream(CapturedStream, wanted, capture, streams)
        except StreamRefused as refused:
            capture.lane.close()
            raise self._refuse(refused.info, name) from None
        self._captures.append(capture)
        nursery.start_soon(self._oversee, capture, streams.drain)
        return capture

    def _admit(self, name: str) -> None:
        """Whether there is room for another one. Raises CaptureRefused."""
        settings, running = self._services.settings, [each for each in self._captures if not each.over.is_set()]
        room = self.cores * settings.capture_max_load / 100
        if len(running) >= settings.capture_max_running:
            raise self._refuse(StreamInfo.SERVER_IS_OVERLOADED, name, setting="capture.max_running")
        if running and sum(each.cores for each in running) >= room:
            raise self._refuse(StreamInfo.SERVER_IS_OVERLOADED, name, setting="capture.max_load")

    def _make(self, uri: CaptureUri, *, name: str, kept: bool, access: SourceAccess | None) -> Capture:
        services = self._services
        settings, key = services.settings, services.settings.capture_app or ""
        app = services.apps.by_key(key)
        if app is None:
            raise self._refuse(StreamInfo.STREAM_FAILED, name, setting="capture.app", why="no such application")
        folder = settings.capture_vod_folder or services.vod_folder
        source = source_of(uri, settings, folder, name=name, offset=secrets.randbits(32), access=access)
        context = HookContext(node_id=services.node_id, app_key=key, session_id=new_capture_id())
        lane = services.dispatcher.open_lane(app=app, session_id=context.session_id, on_warning=_warn)
        lane.config = _POLICIES
        feed = partial(self._feed, source)
        return Capture(uri, name=name, lane=lane, context=context, make_feed=feed, kept=kept)

    def _feed(self, source: CaptureSource, post: Post) -> SourceFeed:
        return SourceFeed(self._workers, self._services.feeds, source, post)

    async def _oversee(self, capture: Capture, drain: Drain) -> None:
        try:
            await capture.oversee(lambda: self._services.settings.capture_linger, drain)
        finally:
            self._captures.remove(capture)
            self.counts.reconnects += capture.reconnects
            self.counts.started += capture.was_live
            self.counts.failed += not capture.was_live

    async def _end(self, capture: Capture, reason: StopReason) -> None:
        capture.end(reason)
        await capture.over.wait()

    def _refuse(self, info: str, name: str, **fields: object) -> CaptureRefused:
        self.counts.refused += 1
        self._refusals.warning("capture refused", name=name, info=info, **fields)
        return CaptureRefused(info, str(fields.get("why") or fields.get("setting") or ""))


@contextmanager
def _failures() -> Iterator[None]:
    """CaptureRefused as what REST is told."""
    try:
        yield
    except CaptureRefused as refused:
        if refused.info == StreamInfo.STREAM_NAME_ALREADY_IN_USE:
            raise AlreadyCaptured(NAME_IN_USE) from None
        raise CaptureFailed(refused.info, refused.detail) from None


async def _keep(capture: Capture) -> None:
    """What players have begun goes on without them, once its media flows. Raises CaptureRefused."""
    await capture.opened.answer()
    capture.keep()


def _warn(method: HookMethod, info: str) -> None:
    log.debug("the backend failed", method=method, info=info)

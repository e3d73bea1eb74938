"""The routes of REST that act on media: WHIP, recordings, pictures, pushes, and their like."""

from collections.abc import Iterator

from attrs import frozen

from actors.node.ports.balancer import BalancerPort
from actors.node.ports.call_control import CallControlPort
from actors.node.ports.call_order import CallOrderPort
from actors.node.ports.capture import CapturePort
from actors.node.ports.push import PushPort
from actors.node.ports.recorder import RecorderPort, RecordGroupPort
from actors.node.ports.snapshot import SnapshotPort
from actors.node.ports.whip import WhipPort
from actors.storage.report_folder import ReportFolder
from actors.web.api.calls.call_orders import CallOrderResource
from actors.web.api.calls.calls import CallResource
from actors.web.api.recordings.record_files import RecordFiles
from actors.web.api.recordings.record_groups import RecordGroupResource
from actors.web.api.recordings.records import RecordResource
from actors.web.api.routes import ApiRoute
from actors.web.api.server.balancer import BalancerResource
from actors.web.api.server.debug_reports import DebugReportResource
from actors.web.api.streams.captures import CaptureResource
from actors.web.api.streams.pushes import PushResource
from actors.web.api.streams.snapshots import SnapshotResource
from actors.web.api.streams.whip import WhipResource
from actors.web.refusals import Refusals
from config.settings import Settings


@frozen(kw_only=True)
class MediaPorts:
    """What these routes act through. None: a server without it."""

    whip: WhipPort | None = None
    recorder: RecorderPort | None = None
    record_groups: RecordGroupPort | None = None
    snapshots: SnapshotPort | None = None
    pusher: PushPort | None = None
    debug_reports: ReportFolder | None = None
    captures: CapturePort | None = None
    balancer: BalancerPort | None = None
    calls: CallControlPort | None = None
    call_orders: CallOrderPort | None = None


def media_routes(ports: MediaPorts, settings: Settings, refusals: Refusals) -> Iterator[ApiRoute]:
    """The routes of what there is."""
    yield from BalancerResource(ports.balancer).routes()
    yield from CallResource(ports.calls, settings).routes()
    yield from CallOrderResource(ports.call_orders).routes()
    if ports.whip is not None:
        yield from WhipResource(ports.whip, settings, refusals).routes()
    if ports.recorder is not None:
        yield from RecordResource(ports.recorder).routes()
        yield from RecordFiles(ports.recorder, settings).routes()
    if ports.record_groups is not None:
        yield from RecordGroupResource(ports.record_groups).routes()
    if ports.snapshots is not None:
        yield from SnapshotResource(ports.snapshots).routes()
    if ports.pusher is not None:
        yield from PushResource(ports.pusher).routes()
    if ports.captures is not None:
        yield from CaptureResource(ports.captures).routes()
    if ports.debug_reports is not None:
        yield from DebugReportResource(ports.debug_reports, settings).routes()

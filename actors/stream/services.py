"""What all streams of a server share."""

from collections.abc import Callable

import trio
from attrs import field, frozen

from actors.media.plane import MediaPlane
from actors.node.bans import Bans
from actors.node.directory import Directory
from actors.node.drain import Drain
from actors.node.supervisor import Supervisor
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.overload import Overload
from actors.stream.broadcast import Broadcast
from actors.stream.capture_starter import CaptureStarter
from actors.stream.snapshots import StreamSnapshots
from actors.workers.pushing.pushes import Pushes
from actors.workers.recording.recordings import Recordings
from config.settings import Settings

log = get_logger("stream")


@frozen(kw_only=True)
class StreamServices:
    """What all streams of a server share."""

    plane: MediaPlane
    directory: Directory[Broadcast]
    supervisor: Supervisor
    settings: Settings
    wall_clock: Callable[[], float]
    """Seconds since the epoch, for `createDate`."""
    overload: Overload
    recordings: Recordings | None = None
    """None: nothing is recorded."""
    snapshots: StreamSnapshots | None = None
    """None: no pictures are taken."""
    pushes: Pushes | None = None
    """None: nothing is pushed to other servers."""
    captures: CaptureStarter | None = None
    """None: nothing is captured."""
    bans: Bans = field(factory=Bans)
    drain: Drain = field(factory=Drain)
    refusals: RateLimitedLog = field(factory=lambda: RateLimitedLog(log, clock=trio.current_time))
    """The log of clients refused because of a limit."""

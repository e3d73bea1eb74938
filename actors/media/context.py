"""What all publications, playbacks and peers of one media plane share."""

import math
from collections.abc import Callable
from typing import Final

from attrs import define, field

from actors.media.catch_up import CatchUps
from actors.media.sending.sender import PacketSender, PortableSender
from actors.media.statistics import Counters
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.loop_clock import RunClock, Standstills, run_clock
from config.settings import Settings
from protocol.metrics.media_quality import MediaQuality

EXCUSED: Final = 10.0
"""Seconds after a standstill for which nobody's silence counts.

What peers said meanwhile waits to be read, but the latest of it may not have found room in the sockets' buffers. Who
is alive says something again by then: browsers check every 2.5 to 6 s (RFC 7675 section 5.1).
"""


@define(eq=False, kw_only=True)
class MediaContext:
    """Settings, the packet sender, the clock and the counters.

    `clock` is monotonic seconds, `entropy(n)` gives n random bytes. `drop_log` is for what is dropped of any peer.
    """

    settings: Settings
    sender: PacketSender
    clock: Callable[[], float]
    entropy: Callable[[int], bytes]
    tcp_sender: PacketSender = field(init=False, factory=PortableSender)
    """For viewers by TCP, whose packets are written one by one."""
    counters: Counters = field(init=False, factory=Counters)
    quality: MediaQuality = field(init=False, factory=MediaQuality)
    drop_log: RateLimitedLog = field(init=False)
    excused_until: float = field(init=False, default=-math.inf)
    """Until then nobody's silence counts, since the server has not listened for a while."""
    fresh_from: float = field(init=False, default=-math.inf)
    """What arrived before this is too old for any viewer; the plane moves it on at each wake-up."""
    in_picture: bool = field(init=False, default=False)
    """The newest video packet queued for viewers is not the last one of its picture."""
    flushes: list[Callable[[], None]] = field(init=False, factory=list)
    """What is to be sent to workers at the end of this wake-up. They may not fail."""
    catch_ups: CatchUps = field(init=False, factory=CatchUps)
    """Viewers that are being sent the past."""
    compound_viewers: int = field(init=False, default=0)
    """Viewers without reduced-size RTCP: what they need at once begins with a receiver report (RFC 5506)."""
    _run_clock: RunClock = field(init=False, factory=run_clock)
    _standstills: Standstills = field(init=False, factory=Standstills)

    def __attrs_post_init__(self) -> None:
        self.drop_log = RateLimitedLog(get_logger("media"), burst=20, clock=self.clock)

    def flush(self) -> None:
        """Send what this wake-up has queued, for viewers and for workers."""
        self.sender.flush()
        self.catch_ups.end_pass()
        if self.flushes:
            flushes, self.flushes = self.flushes, []
            for flush in flushes:
                flush()

    def look_for_standstill(self, now: float) -> None:
        """Before anybody is judged by silence."""
        if self._standstills.look():
            self.excused_until = now + EXCUSED

    def loop_time(self, when: float) -> float:
        """A time of `clock` by trio's clock, which leaves out the time in which the loop stood still."""
        return when - self._run_clock.left_out

    def wants_reports(self) -> bool:
        """Whether something urgent may be among the receiver reports."""
        return self.compound_viewers > 0

    def random_number(self, bits: int) -> int:
        """A random number of `bits` bits, a multiple of 8; never 0."""
        return int.from_bytes(self.entropy(bits // 8), "big") or 1

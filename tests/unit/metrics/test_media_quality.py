"""How media arrives and leaves, as it is counted for `/metrics`."""

import math

from protocol.metrics.media_quality import ForwardDelay, MediaQuality, PathQuality
from protocol.webrtc.rtcp import ReportBlock


def block(*, lost: int = 0, jitter: int = 0) -> ReportBlock:
    return ReportBlock(ssrc=1, fraction_lost=lost, packets_lost=0, highest_sequence=9, jitter=jitter)


def test_reports_are_counted_in_seconds_and_shares() -> None:
    path = PathQuality()
    path.reported(block(lost=64, jitter=900), 90_000)
    path.reported(block(), 48_000)
    assert (path.jitter.count, path.jitter.sum) == (2, 0.01)
    assert (path.losses.count, path.losses.sum) == (2, 0.25)
    assert next(path.losses.cumulative()) == (0.0, 1)


def test_what_peers_make_up_spoils_no_sum() -> None:
    path = PathQuality()
    path.reported(block(lost=255, jitter=0xFFFFFFFF), 8_000)
    path.answered(-3.0)
    path.answered(70_000.0)
    assert path.jitter.sum <= 10
    assert path.losses.sum < 1
    assert (path.round_trips.count, path.round_trips.sum) == (1, 0.0)


def test_a_wake_up_is_as_late_as_its_oldest_packet() -> None:
    delay = ForwardDelay()
    delay.came(5.0)
    delay.came(4.0)
    delay.came(math.inf)  # nothing was there to read
    delay.sent(4.25, forwarded=7)
    assert (delay.seconds.count, delay.seconds.sum) == (1, 0.25)


def test_a_wake_up_that_forwards_nothing_has_no_delay() -> None:
    delay = ForwardDelay()
    delay.came(1.0)
    delay.sent(2.0, forwarded=0)
    delay.sent(3.0, forwarded=4)  # packets that came by TCP
    assert delay.seconds.count == 0


def test_directions_are_told_apart() -> None:
    quality = MediaQuality()
    quality.paths["play"].answered(0.1)
    assert quality.paths["publish"].round_trips.count == 0

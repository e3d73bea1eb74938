"""Sound and picture over an hour: RTP clocks that drift, reports that jitter, packets that arrive unevenly."""

import random
from collections.abc import Iterator

import pytest
from attrs import frozen

from protocol.containers.clock import PublisherClock, TrackClock

HOUR = 3600.0
LARGEST_OFFSET = 0.040
"""Seconds between sound and picture that nobody notices (ITU-R BT.1359 says 45 ms)."""
NTP = 3_900_000_000.0
"""The publisher's clock at the beginning."""


@frozen(kw_only=True)
class Source:
    """A track of a publisher. `drift`: how much faster its RTP clock runs than it should, as a share."""

    rate: int
    interval: float
    drift: float
    report_every: float

    def ticks(self, moment: float) -> int:
        """The RTP timestamp of what is taken at this moment, in seconds."""
        return round(moment * self.rate * (1 + self.drift)) + 0xFFFF0000 & 0xFFFFFFFF


def track(source: Source, publisher: PublisherClock, chance: random.Random) -> Iterator[tuple[float, float]]:
    """When each frame was taken, and when the recording says that it was, without what both have in common."""
    clock, reported, count = TrackClock(source.rate, publisher), -HOUR, round(HOUR / source.interval)
    for number in range(count):
        taken = number * source.interval
        arrival = taken + 0.02 + chance.expovariate(1 / 0.03)  # of the network
        if taken - reported >= source.report_every:
            reported = taken
            clock.report(int((NTP + taken) * (1 << 32)), source.ticks(taken), taken + 0.02 + chance.uniform(0, 0.05))
        yield taken, clock.time(source.ticks(taken), arrival)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("video_drift", "audio_drift"), [(0.0, 0.0), (100e-6, -100e-6), (-50e-6, 50e-6)])
def test_they_stay_together_for_an_hour(seed: int, video_drift: float, audio_drift: float) -> None:
    chance, publisher = random.Random(seed), PublisherClock()
    video = Source(rate=90_000, interval=1 / 5, drift=video_drift, report_every=1.0)
    audio = Source(rate=48_000, interval=1 / 5, drift=audio_drift, report_every=5.0)
    both = zip(track(video, publisher, chance), track(audio, publisher, chance), strict=True)
    offsets = [(seen - taken) - (heard - spoken) for (taken, seen), (spoken, heard) in both]
    assert max(map(abs, offsets)) <= LARGEST_OFFSET
    tenth = len(offsets) // 10
    drift = sum(offsets[-tenth:]) / tenth - sum(offsets[:tenth]) / tenth
    assert abs(drift) <= 0.001, "what is apart at the end was apart at the beginning"

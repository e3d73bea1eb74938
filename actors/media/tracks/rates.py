"""Measuring a bitrate."""

MIN_INTERVAL = 1.0
"""Seconds between two samples that count."""


class RateMeter:
    """The rate of a growing byte counter, over the time between samples, at least a second."""

    def __init__(self, now: float) -> None:
        self.bytes_per_second = 0.0
        self._sampled = (now, 0)

    def sample(self, total_bytes: int, now: float) -> None:
        then, before = self._sampled
        if now - then >= MIN_INTERVAL:
            self.bytes_per_second = (total_bytes - before) / (now - then)
            self._sampled = now, total_bytes

    @property
    def kbps(self) -> int:
        return round(self.bytes_per_second * 8 / 1000)

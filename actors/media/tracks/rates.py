"""Measuring a bitrate."""


class RateMeter:
    """The rate of a growing byte counter, over the time between samples of at least `interval` seconds."""

    def __init__(self, now: float, *, interval: float = 1.0) -> None:
        self.bytes_per_second = 0.0
        self._interval = interval
        self._sampled = (now, 0)

    def sample(self, total_bytes: int, now: float) -> None:
        then, before = self._sampled
        if now - then >= self._interval:
            self.bytes_per_second = (total_bytes - before) / (now - then)
            self._sampled = now, total_bytes

    @property
    def kbps(self) -> int:
        return round(self.bytes_per_second * 8 / 1000)

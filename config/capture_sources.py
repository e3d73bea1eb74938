"""The type of `capture.allow`."""

from attrs import field, frozen

from protocol.capture.rules import CaptureRules, read_rules


@frozen
class CaptureSources:
    """Hosts whose sources clients may name."""

    allowed: str = field(
        default="host names, *.NAME, *, IP addresses and networks, separated by commas; or empty", init=False
    )

    def read(self, text: str) -> CaptureRules:
        return read_rules(item for item in map(str.strip, text.split(",")) if item)

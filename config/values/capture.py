"""The kind of value that `capture.allow` is."""

from collections.abc import Iterator

from attrs import field, frozen

from protocol.capture.rules import CaptureRules, read_rules


@frozen
class CaptureSources:
    """Hosts whose sources clients may name."""

    allowed: str = field(
        default="host names, *.NAME, *, IP addresses and networks, separated by commas; or empty", init=False
    )

    def remarks(self, text: str) -> Iterator[str]:
        rules = self.read(text)
        for item in (*sorted(rules.names & {"*"}), *(str(each) for each in rules.networks if not each.prefixlen)):
            yield f"{item} lets any page have this server connect wherever it can, its own network included"

    def read(self, text: str) -> CaptureRules:
        return read_rules(item for item in map(str.strip, text.split(",")) if item)

"""What is sent while the page is not to be heard, now and then: gateways end calls without media."""

from collections.abc import Mapping
from typing import Final

SILENCE_INTERVAL: Final = 1.0
"""Seconds between two such packets."""

SILENCE: Final[Mapping[str, bytes]] = {
    "PCMU": b"\xff" * 160,
    "PCMA": b"\xd5" * 160,
    "G722": b"\xfa" * 160,  # what an encoder makes of zeros
    "OPUS": b"\xf8\xff\xfe",
}
"""20 ms of silence, by the codec's canonical name."""

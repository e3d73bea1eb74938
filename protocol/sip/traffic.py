"""What a user agent counts of the messages that it sends and takes."""

from collections import Counter
from typing import Final

from attrs import define, field

from protocol.sip.messages.message import RequestMessage, SipMessage

METHODS: Final = (
    "REGISTER", "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "INFO", "PRACK", "UPDATE", "REFER", "NOTIFY",
)  # fmt: skip
OTHER: Final = "other"
"""In place of a method that calls do not have."""
IN, OUT = "in", "out"
CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx", "6xx")


@define(eq=False)
class SipTraffic:
    """`requests` by direction and method, `responses` by direction and class; both with what was sent again.

    `repeated`, by direction: requests and responses that were sent again, and requests that came again.
    """

    requests: Counter[tuple[str, str]] = field(factory=Counter)
    responses: Counter[tuple[str, str]] = field(factory=Counter)
    repeated: Counter[str] = field(factory=Counter)

    def note(self, direction: str, message: SipMessage) -> None:
        """A message comes or goes."""
        if isinstance(message, RequestMessage):
            self.requests[direction, message.method if message.method in METHODS else OTHER] += 1
        else:
            self.responses[direction, f"{message.status // 100}xx"] += 1

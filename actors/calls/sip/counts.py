"""What the SIP endpoint counts."""

from attrs import define


@define(eq=False)
class SipCounts:
    """What has been counted."""

    received: int = 0
    sent: int = 0
    strange: int = 0
    """Messages and connections from addresses that are not admitted."""
    flooding: int = 0
    """Messages beyond the rate of their source."""
    malformed: int = 0
    unsent: int = 0
    registrations_failed: int = 0
    """Tries to register that failed."""

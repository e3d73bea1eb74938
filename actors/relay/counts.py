"""What relays count: plain numbers that only grow."""

from attrs import define


@define(eq=False)
class RelayCounts:
    """Of both ends."""

    pulled: int = 0
    """Publications of other nodes that were brought here."""
    failed: int = 0
    """Those that could not be, or were lost."""
    resumed: int = 0
    """How often a lost one was brought here again, without its players having noticed more than a pause."""
    served: int = 0
    """Legs to other nodes that were begun."""
    refused: int = 0
    """What a limit, or an unknown sender, prevented, at either end."""
    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    """RTP without encryption. Here of those that are over; statistics add what goes on."""
    news: int = 0
    """What the other nodes were told, and have acknowledged."""
    news_lost: int = 0
    """What they were not, or have not."""

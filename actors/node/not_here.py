"""What this node does not have."""


class NotHere(Exception):
    """There is no such thing on this node; another node of a cluster may have it. Each port says what is missing."""

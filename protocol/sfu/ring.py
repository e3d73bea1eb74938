"""The last packets of a track, kept for retransmission; one ring serves all viewers of the track."""


class PacketRing:
    """Packets by extended sequence number (RFC 3550 A.1); a new packet displaces the one `capacity` numbers before it.

    `capacity` is a power of two. Memory is bounded by `capacity` packets of one datagram each.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1 or capacity & (capacity - 1):
            raise ValueError("the capacity of a ring is a power of two")
        self._mask = capacity - 1
        self._sequences = [-1] * capacity
        self._packets = [b""] * capacity

    def put(self, sequence: int, packet: bytes) -> None:
        place = sequence & self._mask
        self._sequences[place] = sequence
        self._packets[place] = packet

    def get(self, sequence: int) -> bytes | None:
        place = sequence & self._mask
        return self._packets[place] if self._sequences[place] == sequence else None

    def clear(self) -> None:
        """Forget every packet."""
        self._sequences = [-1] * len(self._sequences)
        self._packets = [b""] * len(self._packets)

    def __contains__(self, sequence: int) -> bool:
        return self._sequences[sequence & self._mask] == sequence

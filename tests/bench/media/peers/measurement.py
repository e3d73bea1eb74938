"""What came out of one measurement, made of what the peers saw."""

import itertools
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from attrs import define, field, frozen

NS_PER_MS = 1e6


@frozen(kw_only=True)
class Window:
    """The time of counting, in CLOCK_MONOTONIC ns; CPU seconds of the server, and of all but server and peers."""

    begin: int
    end: int
    cpu: float
    foreign_cpu: float

    @property
    def seconds(self) -> float:
        return (self.end - self.begin) / 1e9

    def holds(self, at: int) -> bool:
        return self.begin <= at < self.end


@frozen(kw_only=True)
class Kick:
    """Times in ms after the call: the last packet at any viewer (0: none came), and the message that ended each."""

    last_packet: float
    events: Sequence[float]
    discard: int


@frozen(kw_only=True)
class Measurement:
    """Times in ms. Counting is over what was sent, or for `packets` what arrived, in the window: `lost` packets did not
    get to a viewer, `repeated` ones did twice, `bad` ones could not be decrypted or were others than they said.

    `came_in` counts what the publishers sent, `packets` the copies that arrived. `viewers` is how many each of the
    `publishers` has. Viewers are not kicked where publishers are several.

    `never` counts viewers without a picture; `joins` and `pictures` are the times to the first packet and to the first
    of a key frame. `publisher_pause` is the longest time between two packets of the publisher. `profiles` are the SRTP
    profiles in use.
    """

    server: str
    version: str
    publishers: int
    viewers: int
    window: Window
    came_in: int
    packets: int
    lost: int
    repeated: int
    bad: int
    never: int
    bytes_per_viewer: float
    joins: Sequence[float]
    pictures: Sequence[float]
    delays: Sequence[float]
    kick: Kick | None
    publisher_pause: float
    profiles: tuple[str, ...]
    problems: tuple[str, ...]
    remark: str


@define
class Tally:
    """Counts the packets that viewers saw: rows of viewer, index and arrival time.

    `sent` has the times of each publisher, `audience` is how many viewers each has.
    """

    window: Window
    sent: Sequence["array[int]"]
    audience: int
    called_at: int
    packets: int = 0
    repeated: int = 0
    last: int = 0
    delays: "array[float]" = field(factory=lambda: array("d"))
    _copies: set[int] = field(factory=set)

    def add(self, rows: "array[int]") -> None:
        """Count the rows of one process."""
        window, copies = self.window, self._copies
        for number, index, arrived in zip(rows[0::3], rows[1::3], rows[2::3], strict=True):
            self.packets += window.holds(arrived)
            self.last = max(self.last, arrived)
            copy = number << 32 | index
            sent_at = self.sent[number // self.audience][index]
            if not window.holds(sent_at):
                continue
            if copy in copies:
                self.repeated += 1
            else:
                copies.add(copy)
                self.delays.append((arrived - sent_at) / NS_PER_MS)

    @property
    def publisher_pause(self) -> float:
        """The longest time in ms between two packets that one publisher sent in the window."""
        inside = [list(filter(self.window.holds, sent)) for sent in self.sent]
        pauses = (after - before for sent in inside for before, after in itertools.pairwise(sent))
        return max(pauses, default=0) / NS_PER_MS

    @property
    def came_in(self) -> int:
        """Packets that were sent in the window."""
        return sum(map(self.window.holds, itertools.chain.from_iterable(self.sent)))

    @property
    def lost(self) -> int:
        """Copies of these that did not get to a viewer."""
        return self.came_in * self.audience - len(self._copies)

    @property
    def last_packet(self) -> float:
        """When the last packet of all came, in ms after the call; 0 if none came after it."""
        return max(0, self.last - self.called_at) / NS_PER_MS


def kick(tally: Tally, reports: Iterable[dict[str, Any]]) -> Kick:
    """The end of the viewers."""
    ends = [report["ended_at"] for report in reports]
    return Kick(
        last_packet=tally.last_packet,
        events=[(ended - tally.called_at) / NS_PER_MS for ended in ends if ended],
        discard=ends.count(0),
    )


def times(reports: Iterable[dict[str, Any]], event: str) -> list[float]:
    """From the play request of each viewer to an event, in ms; without those for whom it did not happen."""
    return [(report[event] - report["asked_at"]) / NS_PER_MS for report in reports if report[event]]

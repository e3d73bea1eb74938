"""What members here ask of a room: in order, a batch after the other, each until the room's node acknowledges it."""

from collections import deque
from collections.abc import Iterable
from typing import Final

from actors.cluster.rooms.carrier import HERE, RoomCarrier
from actors.rooms.clustered.seats import BranchSeat
from protocol.cluster.rooms.messages import (
    RoomWord,
    RoomWords,
    SeatLost,
    SeatRecord,
    StreamBegun,
    StreamEnded,
    TakeSeat,
)
from protocol.rooms.bans import RoomKey

BATCH: Final = 100
"""Words in one message."""


class WordsLine:
    """See above. It begins anew with each node that it leads to."""

    def __init__(self, key: RoomKey, carrier: RoomCarrier) -> None:
        self.host: str | None = None
        """The member of the cluster that it leads to; None: nowhere."""
        self.id = ""
        self._key, self._carrier = key, carrier
        self._number = 0
        self._waiting: deque[RoomWord] = deque()

    def __len__(self) -> int:
        """Words that wait."""
        return len(self._waiting)

    def begin(self, host: str, line: str) -> None:
        """It leads to this member now, under this id."""
        self.host, self.id, self._number = host, line, 0

    def end(self) -> None:
        """It leads nowhere: what waits must be said again."""
        self.host, self.id = None, ""
        self._waiting.clear()

    def say(self, *words: RoomWord) -> None:
        """What follows. Of a stream that ends before its begin was sent, nothing is said: this may wait for long."""
        for word in words:
            begun = self._begun(word) if isinstance(word, StreamEnded) else None
            if begun is None:
                self._waiting.append(word)
            else:
                self._waiting.remove(begun)

    def _begun(self, ended: StreamEnded) -> StreamBegun | None:
        ours = (word for word in self._waiting if isinstance(word, StreamBegun) and word.seat == ended.seat)
        return next((word for word in ours if word.stream.media_session_id == ended.media_session_id), None)

    def say_lost(self, seat: BranchSeat) -> None:
        """A seat is void; that it was one need not be said any more."""
        if any(isinstance(word, TakeSeat) and word.seat == seat.id for word in self._waiting):
            self._waiting = deque(word for word in self._waiting if word.seat != seat.id)
        elif seat.is_known and self.host is not None:
            self._waiting.append(SeatLost(seat=seat.id))

    def drop_command(self, number: int) -> None:
        """It is not to be asked any more."""
        self._waiting = deque(word for word in self._waiting if getattr(word, "command", None) != number)

    def next_batch(self) -> tuple[RoomWord, ...]:
        """What to say next."""
        return tuple(self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting))))

    async def tell(self, words: tuple[RoomWord, ...], *, records: Iterable[SeatRecord] = ()) -> str | None:
        """The verdict of the room's node; None: it is gone."""
        self._number += 1
        app_key, name = self._key
        host = self.host or HERE
        message = RoomWords(
            app_key=app_key,
            name=name,
            member=HERE if host == HERE else self._carrier.member,
            line=self.id,
            number=self._number,
            records=tuple(records),
            words=words,
        )
        reply = await self._carrier.send(host, message)
        return None if reply is None else reply.verdict

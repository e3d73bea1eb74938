"""What clients may send: how fast, and how much of it may be held in memory. One `ReceiveQuota` for each connection.

    rate      frames, and each 4 KiB of them, per client, per address, in total: a faster client is read later, so that
              TCP slows it down
    memory    what values weigh as objects, from the first piece of a message until nothing holds it any more: per
              client, per address, in total. Beyond it the frame, or the request, is refused

A slow rate and a few KiB of each client are free, so well-behaved clients are served whatever others do.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final

import trio

from actors.runtime.logs import RateLimitedLog, get_logger
from config.live import follow
from config.settings import Settings
from protocol.common.memory_budget import Allowance
from protocol.common.rate_limit import RateLimit

log = get_logger("session")

MAX_WAITING: Final = 8 * 1024 * 1024
"""Bytes that the frames in a session's mailbox may weigh."""
MAX_WAITING_AT_THE_DOOR: Final = 256 * 1024
"""The same before the session is established, when it is still unknown who the client is."""
MAX_FRAGMENTS: Final = 4096
"""Frames of one message. Empty ones add nothing to other limits, but a library keeps them all."""
FREE: Final = 32 * 1024
"""Bytes that each client may have in transit in any case, and as much again kept."""
CLIENT_SHARE: Final = 16
"""One client may have this part of `max_client_memory` on its way to the handler, and as much again kept."""
ADDRESS_SHARE: Final = 4
"""All clients of one address may hold this part of it."""
BURST: Final = 6.0
"""Seconds' worth of frames that may arrive at once: a page may start 1,000 streams in one go."""
REMEMBERED: Final = 10_000
"""Addresses whose rate is remembered after their last client has left."""
MODEST: Final = 20.0
"""Frames per second of a client that are not charged to shared rates, so that other clients cannot slow it down."""
PIECE: Final = 4096
"""Bytes that count as one additional frame."""


class Waiting:
    """The frames of one session on their way from the socket to the handler."""

    def __init__(self, memory: Allowance) -> None:
        self._memory = memory
        self._weight = 0
        self._frames = 0
        self._size = 0

    @property
    def totals(self) -> dict[str, object]:
        """Totals, for the log line of the session's end."""
        return {"packets": self._frames, "bytes": self._size}

    def count(self, size: int) -> None:
        """Count a message of this many characters or bytes."""
        self._frames += 1
        self._size += size

    def arrive(self, weight: int, *, limit: int) -> bool:
        """A frame is to wait; False if it must not."""
        if self._weight + weight > limit or not self._memory.take(weight):
            return False
        self._weight += weight
        return True

    def leave(self, weight: int) -> None:
        """A frame has been handled."""
        self._weight -= weight
        self._memory.give_back(weight)


class ReceiveQuota:
    """The accounts of one connection."""

    def __init__(
        self,
        *,
        rate: RateLimit | None = None,
        shared: Mapping[str, RateLimit] = MappingProxyType({}),
        transit: Allowance | None = None,
        kept: Allowance | None = None,
        warn: Callable[[str, str], None] = lambda event, limit: None,
        on_close: Callable[[], None] = lambda: None,
    ) -> None:
        self.transit = transit or Allowance(MAX_WAITING)
        """Memory of what is on its way to the session's handler."""
        self.kept = kept or Allowance(MAX_WAITING)
        """Memory of what the session keeps: requests of its streams, questions to the backend."""
        self.is_over = False
        """Whether an unfinished message has exceeded a limit: the connection must be closed."""
        self._rate = rate
        self._shared = shared
        self._modest = RateLimit(MODEST, MODEST * BURST)
        self._warn = warn
        self._on_close = on_close
        self._frames = 0.0
        self._fragments = 0
        self._unfinished = 0
        self._finished: deque[int] = deque()
        self._taken = 0

    def join(
        self,
        shared: Mapping[str, RateLimit],
        memory: Allowance,
        *,
        share: float,
        warn: Callable[[str, str], None],
        on_close: Callable[[], None],
    ) -> None:
        """Share rates and memory with others; not with those of the last call any more. Nothing may be held yet."""
        self._on_close()
        self.transit = Allowance(share, free=FREE, parent=memory)
        self.kept = Allowance(share, free=FREE, parent=memory)
        self._shared, self._warn, self._on_close = shared, warn, on_close

    # -- the rate ----------------------------------------------------------------------------------

    def pause(self, now: float) -> float:
        """Seconds until more may be read, for the frames that have been read since the last call."""
        frames, self._frames = self._frames, 0.0
        pause = self._rate.charge(now, frames) if self._rate is not None else 0.0
        setting = "ws.max_frames_per_second"
        if not self._modest.take(now, frames):
            for name, rate in self._shared.items():
                longer = rate.charge(now, frames)
                pause, setting = max((pause, setting), (longer, name))
        if pause:
            self._warn("client is slowed down", setting)
        return pause

    def count_bytes(self, size: int) -> None:
        """Count bytes read from the network."""
        self._frames += size / PIECE

    def count_frame(self) -> None:
        """Count a WebSocket frame of any kind."""
        self._frames += 1

    # -- memory of messages ------------------------------------------------------------------------

    def hold_piece(self, weight: int, *, frame_finished: bool, message_finished: bool) -> None:
        """Charge a piece of a message, which is kept until the message is complete and handled."""
        self._fragments += frame_finished
        if self._fragments > MAX_FRAGMENTS:
            self.is_over = True
            self.refused(f"{MAX_FRAGMENTS} frames of one message")
        elif self.transit.take(weight):
            self._unfinished += weight
        else:
            self.is_over = True
            self.refused("max_client_memory")
        if message_finished:
            self._finished.append(self._unfinished)
            self._fragments = self._unfinished = 0

    def message_taken(self) -> None:
        """The next message was handed to the session."""
        self._taken = self._finished.popleft() if self._finished else 0

    def message_done(self) -> None:
        """The session has handled its current message."""
        self.transit.give_back(self._taken)
        self._taken = 0

    # -- memory of what the session keeps ----------------------------------------------------------

    def keep(self, weight: int) -> bool:
        """Keep this many more bytes. False, and a log line, if that is too much."""
        if self.kept.take(weight):
            return True
        self.refused("max_client_memory")
        return False

    def give_back(self, weight: int) -> None:
        """Keep this many bytes less."""
        self.kept.give_back(weight)

    def close(self) -> None:
        """The connection is over: release everything."""
        for memory in (self.transit, self.kept):
            memory.give_back(memory.used)
        self._on_close()

    def refused(self, limit: str) -> None:
        """Log that something was refused to this client, and by which limit."""
        self._warn("client holds too much", limit)


class ReceiveQuotas:
    """The accounts of all connections, and what connections of one address share."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._memory = Allowance(settings.max_client_memory)
        self._rate = RateLimit(
            settings.ws_max_frames_per_second_in_all, settings.ws_max_frames_per_second_in_all * BURST
        )
        self._addresses: dict[str, tuple[RateLimit, Allowance]] = {}
        self._clients: Counter[str] = Counter()
        self._rested: OrderedDict[str, tuple[RateLimit, Allowance]] = OrderedDict()
        follow(settings, self._adopt)
        self._log = RateLimitedLog(log, clock=trio.current_time)

    def _adopt(self, settings: Settings) -> None:
        self._memory.limit = settings.max_client_memory
        in_all = settings.ws_max_frames_per_second_in_all
        self._rate.change(in_all, in_all * BURST)
        for rate, memory in (*self._addresses.values(), *self._rested.values()):
            rate.change(
                settings.ws_max_frames_per_second_per_address, settings.ws_max_frames_per_second_per_address * BURST
            )
            memory.limit = settings.max_client_memory / ADDRESS_SHARE

    @property
    def memory_used(self) -> int:
        """Bytes that all clients hold beyond the free part."""
        return int(self._memory.used)

    def open(self, address: str) -> ReceiveQuota:
        """The accounts of a new connection from `address`; the caller closes them with it."""
        fastest = self._settings.ws_max_frames_per_second
        quota = ReceiveQuota(rate=RateLimit(fastest, fastest * BURST))
        self.move(quota, address)
        return quota

    def move(self, quota: ReceiveQuota, address: str) -> None:
        """Count a connection as one from `address`; its client has sent no frame yet."""
        rate, memory = self._enter(address)
        quota.join(
            {"ws.max_frames_per_second_per_address": rate, "ws.max_frames_per_second_in_all": self._rate},
            memory,
            share=self._settings.max_client_memory / CLIENT_SHARE,
            warn=partial(self._warn, address),
            on_close=partial(self._leave, address),
        )

    def _warn(self, address: str, event: str, limit: str) -> None:
        self._log.warning(event, address=address, limit=limit)

    def _enter(self, address: str) -> tuple[RateLimit, Allowance]:
        self._clients[address] += 1
        if address not in self._addresses:
            was_here = address in self._rested
            self._addresses[address] = self._rested.pop(address) if was_here else self._share()
        return self._addresses[address]

    def _leave(self, address: str) -> None:
        self._clients[address] -= 1
        if self._clients[address]:
            return
        del self._clients[address]
        share = self._addresses.pop(address)
        if not share[0].is_full(
            trio.current_time()
        ):  # otherwise a client that reconnects at once would find its rate unused
            self._rested[address] = share
        while len(self._rested) > REMEMBERED:
            self._rested.popitem(last=False)

    def _share(self) -> tuple[RateLimit, Allowance]:
        fastest = self._settings.ws_max_frames_per_second_per_address
        memory = Allowance(self._settings.max_client_memory / ADDRESS_SHARE, parent=self._memory)
        return RateLimit(fastest, fastest * BURST), memory

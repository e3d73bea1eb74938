"""Reads what a worker sends, message by message, and gives it to an ingest.

A worker that sends more than a publisher may is read more slowly: it waits, and with it its source.
"""

import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import trio
from attrs import frozen

from actors.media.context import MediaContext
from actors.media.ingest.fed_ingest import FedIngest
from protocol.common.rate_limit import RateLimit
from protocol.taps import MAX_MESSAGE, RecordKind, TapError, TrackFormat, read_info, read_message

AT_ONCE: Final = 8
"""Messages that are read in one go."""

OpenIngest = Callable[[Sequence[TrackFormat]], FedIngest]
"""The ingest for these tracks. Raises TapError if there can be none."""


@frozen
class Feeds:
    """What readers of feeds need of the plane: `guarded` calls a function and sees to its errors; `after` is called
    when packets have been handled.
    """

    context: MediaContext
    guarded: Callable[[Callable[[], None]], None]
    after: Callable[[], None]


class FeedReader:
    """The feed of one worker. It takes over the socket, one end of a pair of SOCK_SEQPACKET."""

    def __init__(self, channel: socket.socket, feeds: Feeds, open_ingest: OpenIngest) -> None:
        channel.setblocking(False)
        self._channel = channel
        self._feeds = feeds
        self._context = feeds.context
        self._open_ingest = open_ingest
        self._bitrate = feeds.context.settings.max_publisher_bitrate
        self._limit = RateLimit(self._bitrate * 125, self._bitrate * 125)  # bytes a second
        self._memory = bytearray(MAX_MESSAGE)
        self._ingest: FedIngest | None = None
        self._fault: TapError | None = None
        self._ended = False

    async def run(self) -> None:
        """Read until the worker has told its end, or is gone. Raises TapError for what is no message."""
        with self._channel:
            while not self._ended:
                await trio.lowlevel.wait_readable(self._channel)
                size = self._read_some()
                await trio.sleep(self._charge(size))
                if self._fault is not None:
                    raise self._fault

    def _charge(self, size: int) -> float:
        """How long to leave the worker alone; a reload may have changed the limit."""
        bitrate = self._context.settings.max_publisher_bitrate
        if bitrate != self._bitrate:
            self._bitrate = bitrate
            self._limit.change(bitrate * 125, bitrate * 125)
        return self._limit.charge(self._context.clock(), size)

    def _read_some(self) -> int:
        """Up to AT_ONCE messages; their bytes."""
        total = 0
        for _ in range(AT_ONCE):
            try:
                length = self._channel.recv_into(self._memory)
            except BlockingIOError:
                break
            except OSError:
                length = 0
            if not length:
                self._ended = True
                break
            total += length
            self._feeds.guarded(partial(self._take, length))
            if self._ended or self._fault is not None:
                break
        self._context.counters.wake_ups += 1
        self._feeds.after()
        return total

    def _take(self, length: int) -> None:
        now = self._context.clock()
        try:
            for record in read_message(memoryview(self._memory)[:length]):
                if record.kind is RecordKind.INFO:
                    self._ingest = self._open_ingest(read_info(record.body))
                elif record.kind is RecordKind.END:
                    self._ended = True
                elif self._ingest is None:
                    raise TapError("a packet before INFO")
                else:
                    self._ingest.take(record, now)
        except TapError as error:
            self._fault = error

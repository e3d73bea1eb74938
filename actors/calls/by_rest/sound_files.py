"""The sounds that phones may hear: WAV files of one folder. Calls that play the same file share what was read of it."""

import os
from collections.abc import Awaitable, Callable
from typing import Final
from weakref import WeakValueDictionary

import trio

from protocol.calls.sound import BadSound, Sound, read_sound

MAX_SIZE: Final = 8 << 20
"""Bytes of a file: more than eight minutes at 8000 Hz."""

_Key = tuple[int, int, int, int]


class SoundFiles:
    """See above. `open_file` gives the descriptor of a file of the folder, or raises what says that there is none."""

    def __init__(self, open_file: Callable[[str], Awaitable[int]]) -> None:
        self._open_file = open_file
        self._known: WeakValueDictionary[_Key, Sound] = WeakValueDictionary()

    async def read(self, name: str) -> Sound:
        """The sound of a file. Raises BadSound, or as `open_file`."""
        descriptor = await self._open_file(name)
        try:
            about = os.fstat(descriptor)
            key = about.st_dev, about.st_ino, about.st_mtime_ns, about.st_size
            known = self._known.get(key)
            if known is None:
                known = await trio.to_thread.run_sync(_read, descriptor)
                self._known[key] = known
            return known
        finally:
            os.close(descriptor)


def _read(descriptor: int) -> Sound:
    with open(descriptor, "rb", closefd=False) as file:
        data = file.read(MAX_SIZE + 1)
    if len(data) > MAX_SIZE:
        raise BadSound(f"the file has more than {MAX_SIZE} bytes")
    return read_sound(data)

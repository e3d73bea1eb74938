"""Making a file whole that its recorder could not finish; see `protocol.containers.mending`."""

import os
from typing import overload

from protocol.containers.mending import Mended, mend


class FileBytes:
    """The bytes of an open file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._length = os.fstat(descriptor).st_size

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> bytes: ...
    def __getitem__(self, at: int | slice) -> int | bytes:
        if isinstance(at, slice):
            start, stop, _ = at.indices(self._length)
            return os.pread(self._descriptor, max(0, stop - start), start)
        return os.pread(self._descriptor, 1, at)[0]


def mend_file(descriptor: int) -> Mended | None:
    """Keep all whole frames of a file and add its index; None, and nothing is changed, if it has none."""
    mended = mend(FileBytes(descriptor))
    if mended is None:
        return None
    os.ftruncate(descriptor, mended.length)
    try:
        os.pwrite(descriptor, mended.append, mended.length)
    except OSError:  # no room for the index: the frames play without it
        os.ftruncate(descriptor, mended.length)
    for patch in mended.patches:
        os.pwrite(descriptor, patch.data, patch.offset)
    return mended

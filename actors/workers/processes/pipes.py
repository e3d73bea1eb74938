"""The pipes of a process that begins with the descriptors of another one's message."""

import os
from collections.abc import Sequence


def standard_pipes() -> tuple[list[int], list[int]]:
    """Ends of pipes for standard input, output, error and the exit status: those for the process, and ours.

    Raises OSError.
    """
    pairs: list[tuple[int, int]] = []
    try:
        pairs.extend(os.pipe() for _ in range(4))
    except OSError:
        close_all([end for pair in pairs for end in pair])
        raise
    (read, write), *outputs = pairs
    return [read, *(end for _, end in outputs)], [write, *(end for end, _ in outputs)]


def close_all(descriptors: Sequence[int]) -> None:
    """Close each of them."""
    for descriptor in descriptors:
        os.close(descriptor)

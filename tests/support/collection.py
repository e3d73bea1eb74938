"""What only a garbage collection can free: it stays in memory until then, and a full one is rare in the server."""

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

OURS = ("actors", "protocol", "OpenSSL", "pylibsrtp", "wsproto", "trio_websocket")
"""Packages whose objects must go as soon as they are used no more."""


@contextmanager
def no_collection() -> Iterator[None]:
    """Let nothing be collected inside; it begins with a collection."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def uncollected() -> dict[str, int]:
    """Collect now: how many objects of each of the packages had to be collected. Empty is what one hopes for."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        kinds = [type(each) for each in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in kinds if kind.__module__.partition(".")[0] in OURS)
    return dict(Counter(names))

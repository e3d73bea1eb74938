"""The server as it is, which also keeps account of its garbage collector: a line for each SIGWINCH, on standard error.

collector {"0": [count, seconds in all, longest], "1": ..., "2": ...}
"""

import gc
import json
import signal
import sys
import time
from collections.abc import Mapping

from actors import daemon

ACCOUNT = "collector "
ASK = signal.SIGWINCH
"""Of those that the server does not handle itself."""


class Collections:
    """How often each generation was collected, and how long that took: count, seconds in all, longest."""

    def __init__(self) -> None:
        self._account = {generation: [0, 0.0, 0.0] for generation in range(3)}
        self._began = 0.0

    def note(self, phase: str, info: Mapping[str, int]) -> None:
        """A collection begins or ends; see `gc.callbacks`."""
        if phase == "start":
            self._began = time.perf_counter()
            return
        took = time.perf_counter() - self._began
        entry = self._account[info["generation"]]
        entry[0] += 1
        entry[1] += took
        entry[2] = max(entry[2], took)

    def tell(self, *_: object) -> None:
        print(ACCOUNT + json.dumps(self._account), file=sys.stderr, flush=True)


if __name__ == "__main__":
    collections = Collections()
    gc.callbacks.append(collections.note)
    signal.signal(ASK, collections.tell)
    sys.exit(daemon.main())

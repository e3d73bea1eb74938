"""Collections of young objects at times of our choosing.

Python collects when so many more objects were made than freed. While thousands of old ones are freed, as when their
streams end, it therefore does not notice how many young ones there are, and looks at all of them in the end: tens of
milliseconds, for which media waits. Whatever makes or frees very many objects collects in between. For the same reason
thousands come together while media flows, as each packet that is kept takes the place of an older one: so there is a
collection four times a second, too (`actors.runtime.overload`).
"""

import gc
import sys
from typing import Final

_YOUNG: Final = 1 if sys.version_info < (3, 14) else 0
"""The generation that is collected: up to 3.13, those that have survived once are young, too."""


def collect_young() -> None:
    """Look at the young objects now. That takes a microsecond for each two of them, and each is looked at once."""
    gc.collect(_YOUNG)


class CollectionPace:
    """Collects after each so many small works of which nobody knows how many come together."""

    def __init__(self, works: int) -> None:
        self._works = works
        self._done = 0

    def step(self) -> None:
        """A work was done."""
        self._done = (self._done + 1) % self._works
        if not self._done:
            collect_young()

"""Whether pictures are shown in another order than they come in (B-frames), which WebRTC cannot carry."""

from typing import Final

WINDOW: Final = 30
"""Pictures that are looked at together."""
PROOF: Final = 3
"""Steps back in time among them that prove it; a source that corrects its clock makes one."""


class ReorderWatch:
    """Looks at the times of pictures, in the order in which they come."""

    def __init__(self) -> None:
        self._before: float | None = None
        self._seen = 0
        self._steps_back = 0

    def sees(self, shown_at: float) -> bool:
        """Whether the pictures so far, with one shown at this time (seconds), prove that they are reordered."""
        self._seen += 1
        if self._before is not None and shown_at < self._before:
            self._steps_back += 1
        self._before = shown_at
        if self._steps_back >= PROOF:
            return True
        if self._seen >= WINDOW:
            self._seen = self._steps_back = 0
        return False

"""Which nodes of this machine end again and again: the parent writes it, and every node can say so."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

FILE: Final = "failing-nodes"


class FailingNodes:
    """In the state folder `home` of the whole server: their numbers, as the parent has told last."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE

    def tell(self, nodes: Iterable[int]) -> None:
        """It is these now. Raises OSError."""
        text = " ".join(map(str, nodes))
        if not text:
            self._path.unlink(missing_ok=True)
            return
        unfinished = self._path.with_name(f"{FILE}.new")
        unfinished.write_text(text)
        unfinished.replace(self._path)

    def known(self) -> tuple[int, ...]:
        """None if the file is not there, or cannot be read."""
        try:
            return tuple(int(number) for number in self._path.read_text("ascii").split())
        except (OSError, ValueError):
            return ()

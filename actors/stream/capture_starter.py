"""What streams need to have sources captured; `actors.capture` implements it."""

from typing import Protocol

from actors.stream.broadcast import Broadcast


class CaptureRefused(Exception):
    """The source is not captured, or cannot be. `info` is for players, `detail` for operators."""

    def __init__(self, info: str, detail: str = "") -> None:
        super().__init__(detail or info)
        self.info = info
        self.detail = detail


class CaptureStarter(Protocol):
    """Captures sources that players name."""

    def serves(self, name: str) -> bool:
        """Whether a stream of this name is a source to be captured, rather than what somebody publishes."""

    async def capture(self, name: str, *, by_operator: bool) -> Broadcast:
        """What comes of the source of a name that it serves; all players of one name share it.

        `by_operator`: the name is not a client's. Raises CaptureRefused. A player must be attached at once.
        """

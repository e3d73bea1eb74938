"""`trio.fail_after` without its reference cycle; see `actors.net.tcp_stream` for where that comes from."""

from types import TracebackType
from typing import Self

import trio


class fail_after:  # noqa: N801 - used as trio's function of that name is
    """Raise trio.TooSlowError if the block takes longer than `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.scope = trio.CancelScope(deadline=trio.current_time() + seconds)

    def __enter__(self) -> Self:
        self.scope.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        swallowed = self.scope.__exit__(kind, error, traceback)
        if self.scope.cancelled_caught:
            raise trio.TooSlowError
        return swallowed

    def cancel(self) -> None:
        """Give the block no more time."""
        self.scope.cancel()

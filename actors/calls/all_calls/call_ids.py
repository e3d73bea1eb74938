"""callIds: in a cluster, each is that of one call on all nodes, claimed as the names of streams are.

While nobody can tell, because Redis is away, calls go on; when it is back, of two of one id the later one ends.
"""

from collections.abc import Callable
from typing import Final

from actors.node.ports.singles import Single, Singles, SingleTaken, SingleUnknown
from protocol.calls.info_texts import CallInfo, CallRefused

CALL: Final = "call"


class IdClaim:
    """That a callId is that of one call."""

    def __init__(self) -> None:
        self.single: Single | None = None
        self.taken: Callable[[], None] = _nobody
        """Called if it turns out later that it is that of a call on another node."""

    async def lose(self) -> None:
        """It is another call's."""
        self.taken()

    def release(self) -> None:
        """The call is over. Idempotent."""
        self.taken = _nobody
        if self.single is not None:
            self.single.release()


class CallIds:
    """Claims them. `singles`: None without other nodes."""

    def __init__(self) -> None:
        self.singles: Singles | None = None

    async def claim(self, call_id: str) -> IdClaim:
        """Have it for a call of this node. Raises CallRefused if another one has it."""
        claim = IdClaim()
        if self.singles is not None:
            try:
                claim.single = await self.singles.claim(CALL, call_id, claim.lose, on_trust=True)
            except SingleTaken:
                raise CallRefused(CallInfo.CALL_ID_IN_USE, "another call has it", sip_status=486) from None
            except SingleUnknown:
                pass  # another start of this node runs
        return claim


def _nobody() -> None:
    """Its call has not begun, or is over."""

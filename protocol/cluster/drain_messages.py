"""What nodes tell each other to drain, carried as all messages between nodes."""

from attrs import frozen

from protocol.node.server_state import Drained


@frozen(kw_only=True)
class DrainNode:
    """Drain; or serve as before, if it `is_over`. `timeout`: in seconds; None: as long as a node drains without one."""

    by: str
    timeout: float | None = None
    is_over: bool = False


@frozen(kw_only=True)
class DrainAnswer:
    """What came of it; or why it was refused."""

    done: Drained | None = None
    refusal: str = ""

"""How a registration at a SIP server stands, as operators are shown it."""

from enum import StrEnum
from typing import Any

from attrs import frozen


class RegistrationState(StrEnum):
    """FAILED: it may be tried again."""

    REGISTERING = "registering"
    REGISTERED = "registered"
    FAILED = "failed"


@frozen(kw_only=True)
class RegistrationDescription:
    """One registration. `account` is user@domain; `status` and `why` are of the last failure, if there was one."""

    account: str
    server: str
    state: RegistrationState
    status: int = 0
    why: str = ""

    def shown(self) -> dict[str, Any]:
        """As a row."""
        return {
            "account": self.account,
            "server": self.server,
            "state": self.state.value,
            "status": self.status or None,
            "why": self.why or None,
        }

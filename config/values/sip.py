"""Kinds of values that only settings of SIP have."""

from collections.abc import Iterator

from attrs import field, frozen

from protocol.sip.accounts.callee import CalleePatterns, read_patterns
from protocol.sip.accounts.servers import SipServers, read_servers


@frozen
class SipServerList:
    """The servers that SIP may go to and come from."""

    allowed: str = field(
        default="HOST or HOST:PORT, each with ;transport=udp, tcp or tls and ;sha256=FINGERPRINT where wanted, "
        "IP networks, or *, separated by commas; or empty",
        init=False,
    )

    def read(self, text: str) -> SipServers:
        return read_servers(text)

    def remarks(self, text: str) -> Iterator[str]:
        if self.read(text).allows_any:
            yield "* lets any page have this server speak SIP with any public address"


@frozen
class Callees:
    """Patterns of whom pages may call."""

    allowed: str = field(default="patterns such as 1* or +49*, separated by commas; or empty", init=False)

    def read(self, text: str) -> CalleePatterns:
        return read_patterns(item for item in map(str.strip, text.split(",")) if item)

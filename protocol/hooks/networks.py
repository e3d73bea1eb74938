"""Which addresses hooks may go to (`rest.hook_networks`), so that a URL that others set leads nowhere it must not.

Link-local addresses and those at which clouds tell a machine its secrets are out of reach, unless a network within them
is listed. If any is listed, hooks go to listed networks only.
"""

from typing import Final

from attrs import frozen

from protocol.common.networks import LINK_LOCAL_AND_METADATA, Network, is_in, is_opened, reached_address


@frozen
class HookNetworks:
    """The networks that are listed; none: all but LINK_LOCAL_AND_METADATA."""

    listed: tuple[Network, ...] = ()

    def allows(self, address: str) -> bool:
        """Whether a hook may be sent to this address, an IPv4 or IPv6 address as text."""
        plain = reached_address(address)
        if self.listed and not is_in(plain, self.listed):
            return False
        return is_opened(plain, listed=self.listed, denied=LINK_LOCAL_AND_METADATA)


ANY_BACKEND: Final = HookNetworks()

"""The ids of sessions."""

import uuid


def new_session_id(client: tuple[str, int], server: tuple[str, int]) -> str:
    """`/<client address>:<port>/<server address>:<port>-<uuid>`, as WCS 5.2.9xx writes it.

    Each is an address and a port, which is 0 if a proxy has told the address alone.
    """
    return f"/{_plain(client[0])}:{client[1]}/{_plain(server[0])}:{server[1]}-{uuid.uuid4()}"


def _plain(address: str) -> str:
    """The IPv4 address of an IPv4 client on a dual-stack socket; an IPv6 address in brackets."""
    address = address.removeprefix("::ffff:") if "." in address else address
    return f"[{address}]" if ":" in address else address

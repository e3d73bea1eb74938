"""Short marks by which nodes know what another one has begun."""

import hashlib
from base64 import urlsafe_b64encode

_BYTES = 6


def node_mark(node_id: str) -> str:
    """Eight characters that a URL may have; they do not tell the id."""
    return urlsafe_b64encode(hashlib.sha256(node_id.encode()).digest()[:_BYTES]).decode()

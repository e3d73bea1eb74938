"""Signatures after Standard Webhooks, for backends that verify them with a library.

    webhook-id: <id of the call, the same over its retries>
    webhook-timestamp: <seconds since the epoch, of this attempt>
    webhook-signature: v1,<base64> [v1,<base64>]      one for each secret that is valid at present

Each signature is the HMAC-SHA256 of `id.timestamp.body`. Source: https://www.standardwebhooks.com, "Specification".
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
_LEAST_BYTES, _MOST_BYTES = 24, 64


def new_secret(random: bytes) -> str:
    """A secret as it is shown and kept; `random` should have SECRET_BYTES."""
    return PREFIX + base64.b64encode(random).decode()


def read_secret(text: str) -> bytes:
    """The key in a secret. ValueError, worded for the operator, for a text that is none."""
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or not _LEAST_BYTES <= len(key) <= _MOST_BYTES:
        raise ValueError(f"must be {PREFIX} and {_LEAST_BYTES} to {_MOST_BYTES} bytes in base64")
    return key


def webhook_headers(
    keys: Sequence[bytes], *, hook_id: str, timestamp: int, content: bytes
) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of one attempt at a call with this body; none without a key. `hook_id` has no dot."""
    if not keys:
        return ()
    head = f"{hook_id}.{timestamp}.".encode()
    signed = (base64.b64encode(hmac.digest(key, head + content, "sha256")) for key in keys)
    return (
        (b"webhook-id", hook_id.encode()),
        (b"webhook-timestamp", b"%d" % timestamp),
        (b"webhook-signature", b" ".join(b"v1," + each for each in signed)),
    )

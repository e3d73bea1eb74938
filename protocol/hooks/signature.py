"""Proves to a backend that a hook comes from its server (WCS: `rest_hook_send_hash`, `rest_hook_secret_key`)."""

import hmac


def signature(key: bytes, content: bytes) -> bytes:
    """The value of `Authorization` for a request with this body: `WCS` and the body's HMAC-MD5 (RFC 2104) in hex.

    WCS uses MD5, whose known collisions do not break an HMAC (RFC 6151 section 2.3). Raises ValueError where the system
    forbids MD5.
    """
    try:
        return b"WCS " + hmac.digest(key, content, "md5").hex().encode()
    except ValueError as error:
        raise ValueError("rest_hook_send_hash: this system has no MD5, which the signature of a hook needs") from error

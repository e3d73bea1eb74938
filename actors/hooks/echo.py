"""EchoApp and RoomApp, the built-in backends of the shipped applications. They agree to everything, so they are never
called."""

import ipaddress
from functools import lru_cache

import httpx

BUILT_IN_PATHS = ("/apps/EchoApp", "/apps/RoomApp")


@lru_cache(maxsize=1024)
def is_echo(url: str) -> bool:
    """Whether `url` is a built-in backend (such as `/apps/EchoApp` on this machine), which needs no request."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.path.rstrip("/") in BUILT_IN_PATHS and _is_loopback(parsed.host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

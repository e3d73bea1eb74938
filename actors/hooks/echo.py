"""EchoApp, the default application's built-in backend. It agrees to everything, so it is never called."""

import ipaddress
from functools import lru_cache

import httpx

ECHO_PATH = "/apps/EchoApp"


@lru_cache(maxsize=1024)
def is_echo(url: str) -> bool:
    """Whether `url` is the built-in EchoApp (`/apps/EchoApp` on this machine), which needs no request."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.path.rstrip("/") == ECHO_PATH and _is_loopback(parsed.host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

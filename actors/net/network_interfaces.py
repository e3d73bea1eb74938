"""The addresses of this machine, for media when `ip` is unset."""

import socket
from ipaddress import ip_address

import psutil


def machine_addresses() -> tuple[str, ...]:
    """Every IPv4 and IPv6 address of an interface that is up, cable or not; with loopback, without link-local ones.

    Reachable addresses come before loopback, and IPv4 before IPv6, so the most likely one is first.
    """
    up = {name for name, state in psutil.net_if_stats().items() if "up" in state.flags.split(",")}
    found = {
        entry.address
        for name, entries in psutil.net_if_addrs().items()
        if name.partition(":")[0] in up
        for entry in entries
        if entry.family in (socket.AF_INET, socket.AF_INET6) and not ip_address(entry.address).is_link_local
    }
    return tuple(sorted(found, key=_likelihood))


def _likelihood(address: str) -> tuple[bool, int, int]:
    parsed = ip_address(address)
    return parsed.is_loopback, parsed.version, int(parsed)

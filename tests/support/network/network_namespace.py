"""Two network namespaces joined by a cable, for tests that need addresses of their own. Needs root and iproute2.

A socket belongs for good to the namespace in which it was opened, and so does a process. So it is enough that the
thread stands in a namespace while something is opened or started there; it may then talk to both from anywhere.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


@frozen
class Namespace:
    """A namespace that `linked_namespaces` has made."""

    name: str

    @property
    def path(self) -> Path:
        """Its file, by which a program may be started in it."""
        return Path("/var/run/netns") / self.name

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread opens sockets and starts processes here. Start no threads meanwhile: they would stay."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            here = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _enter(here)
            finally:
                os.close(here)
            try:
                yield
            finally:
                _enter(before)
        finally:
            os.close(before)

    def pull_cable(self) -> None:
        """Nothing passes to the other one any more, and nobody says so."""
        _ip("-n", self.name, "link", "set", "cable", "down")

    def plug_cable(self) -> None:
        """It passes again."""
        _ip("-n", self.name, "link", "set", "cable", "up")

    def block(self, address: str) -> None:
        """Nothing goes to this address any more; what comes from there still does."""
        _ip("-n", self.name, "route", "add", "blackhole", address)

    def unblock(self, address: str) -> None:
        """It goes there again."""
        _ip("-n", self.name, "route", "delete", "blackhole", address)

    def limit_cable(self, mtu: int) -> None:
        """This end sends no more than so many bytes in one piece, IP headers included."""
        _ip("-n", self.name, "link", "set", "cable", "mtu", str(mtu))

    def route_all_by(self, gateway: str) -> None:
        """Send what is for no neighbour to this one."""
        _ip("-n", self.name, "route", "add", "default", "via", gateway)


@contextmanager
def linked_namespaces(home: list[str], away: list[str]) -> Iterator[tuple[Namespace, Namespace]]:
    """Two namespaces with these addresses (`10.0.0.1/24`) on the ends of the cable between them, and loopback."""
    ends = [(Namespace(f"wcsd-{os.getpid()}-{side}"), addresses) for side, addresses in (("h", home), ("a", away))]
    names = [namespace.name for namespace, _ in ends]
    try:
        for name in names:
            _ip("netns", "add", name)
        _ip("-n", names[0], "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", names[1])
        for namespace, addresses in ends:
            for device in ("lo", "cable"):
                _ip("-n", namespace.name, "link", "set", device, "up")
            for address in addresses:
                # Without duplicate address detection, which takes a second or two over IPv6.
                _ip("-n", namespace.name, "address", "add", address, "dev", "cable", *(["nodad"] * (":" in address)))
        yield ends[0][0], ends[1][0]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, stderr=subprocess.DEVNULL)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot enter the network namespace")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)

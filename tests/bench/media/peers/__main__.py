"""Compare wcsd with Janus on this machine: publishers, viewers of each, the servers in turn.

    python -m tests.bench.media.peers                         one publisher with 10, 50, 100 and 200 viewers, two rounds
    python -m tests.bench.media.peers --viewers 10 --seconds 5 --rounds 1
    python -m tests.bench.media.peers --publishers 20 --viewers 2
    python -m tests.bench.media.peers --publishers 20 --viewers 2 --before ../wcsd-of-yesterday
    python -m tests.bench.media.peers --servers wcsd --viewers 200 --tls

Both servers run on this machine and use one address of it that is not loopback, which Janus refuses; nothing leaves the
machine but apt-get, which fetches Janus unless `--janus` names a folder where it is unpacked.
"""

import argparse
import ipaddress
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path

from actors.net.network_interfaces import machine_addresses
from tests.bench.media.peers import clip, janus, report
from tests.bench.media.peers.measurement import Measurement
from tests.bench.media.peers.mediasoup import running_mediasoup
from tests.bench.media.peers.phase import Plan, measure
from tests.bench.media.peers.procfs import machine
from tests.bench.media.peers.servers import Server, running_janus, running_wcsd

SERVERS = ("wcsd", "Janus")
BEFORE, MEDIASOUP = "wcsd before", "mediasoup"


def main(arguments: Sequence[str]) -> int:
    """Measure and print; the exit code is 0 when all was measured, whatever came out."""
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    measurements: list[Measurement] = []
    load = _load()
    with tempfile.TemporaryDirectory(prefix="wcsd-peers-") as name:
        folder = Path(name)
        package = _janus(folder, options)
        try:
            for viewers in options.viewers:
                for server in options.servers * options.rounds:
                    _measure(server, viewers, folder, package, options, measurements)
        finally:
            _print(measurements, options, load)
    return 0


def _janus(folder: Path, options: argparse.Namespace) -> janus.Package:
    if "Janus" not in options.servers:
        return janus.Package(Path("/"))
    return janus.Package(options.janus) if options.janus else janus.fetch(folder / "janus")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.media.peers", description="wcsd and Janus side by side"
    )
    parser.add_argument("--publishers", type=int, default=1, help="publishers of 125 packets/s each (1)")
    parser.add_argument(
        "--viewers", type=_numbers, default=(10, 50, 100, 200), help="numbers of viewers of each: 10,50,100,200"
    )
    parser.add_argument("--before", type=Path, help="another checkout of wcsd, whose server is measured in turn too")
    parser.add_argument("--servers", type=_servers, default=SERVERS, help="wcsd,Janus, or one of them")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each counting (20)")
    parser.add_argument("--rounds", type=int, default=2, help="measurements of each server at each number (2)")
    parser.add_argument("--join-interval", type=float, default=0.1, help="seconds between two joins (0.1)")
    parser.add_argument(
        "--gap",
        type=float,
        default=0.0,
        metavar="MS",
        help="between the packets of a picture; 8: they are evenly spaced",
    )
    parser.add_argument("--address", default=_own_address(), help="IPv4 address of this machine (the first)")
    parser.add_argument("--tls", action="store_true", help="pages come to wcsd by wss; nothing changes for the others")
    parser.add_argument("--sender", help="wcsd's media.sender, when it is not to choose itself")
    parser.add_argument("--janus", type=Path, help="folder where the Debian package is unpacked; / when installed")
    parser.add_argument("--janus-event-loops", type=int, default=0, help="Janus' event_loops (0: as delivered)")
    parser.add_argument(
        "--mediasoup", type=Path, metavar="NODE_MODULES", help="measure mediasoup too, which is installed there"
    )
    options = parser.parse_args(arguments)
    if options.mediasoup:
        options.servers = (*options.servers, MEDIASOUP)
    if options.before:
        options.servers = (*options.servers, BEFORE)
    if not options.address:
        parser.error("this machine has no IPv4 address but loopback: give it one, and name it by --address")
    return options


def _numbers(text: str) -> tuple[int, ...]:
    numbers = tuple(int(part) for part in text.split(","))
    if not all(0 < number <= 1000 for number in numbers):
        raise argparse.ArgumentTypeError("numbers from 1 to 1000")
    return numbers


def _servers(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not set(names) <= set(SERVERS):
        raise argparse.ArgumentTypeError(f"names from {', '.join(SERVERS)}")
    return names


def _own_address() -> str | None:
    own = (ipaddress.ip_address(address) for address in machine_addresses())
    return next((str(address) for address in own if address.version == 4 and not address.is_loopback), None)


def _measure(
    server: str,
    viewers: int,
    folder: Path,
    package: janus.Package,
    options: argparse.Namespace,
    measurements: list[Measurement],
) -> None:
    """Add one measurement; it is kept even if the server then does not stop as it should."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        own = Path(name)
        plan = Plan(
            server=server,
            publishers=options.publishers,
            viewers=viewers,
            seconds=options.seconds,
            join_interval=options.join_interval,
            host=options.address,
            folder=own,
            gap=options.gap / 1000,
        )
        with _running(server, own, package, options) as running:
            measurements.append(measure(running, plan))
            print(report.progress(measurements[-1]), file=sys.stderr, flush=True)


def _running(
    server: str, folder: Path, package: janus.Package, options: argparse.Namespace
) -> AbstractContextManager[Server]:
    if server == "Janus":
        return running_janus(folder, options.address, package, options.janus_event_loops)
    if server == MEDIASOUP:
        return running_mediasoup(options.address, options.mediasoup)
    settings = {"media.sender": options.sender} if options.sender else {}
    checkout = options.before if server == BEFORE else None
    return running_wcsd(folder, options.address, settings, checkout, tls=options.tls)


def _print(measurements: Sequence[Measurement], options: argparse.Namespace, load: str) -> None:
    if measurements:
        measured = report.results(measurements)
        print(*report.table(measured), "", *report.targets(measured), sep="\n")
        print(_conditions(measurements, options, load))


def _conditions(measurements: Sequence[Measurement], options: argparse.Namespace, load: str) -> str:
    profiles = sorted({f"{each.server} {profile}" for each in measurements for profile in each.profiles})
    libraries = ", ".join(f"{name} {version(name)}" for name in ("trio", "pylibsrtp", "pyOpenSSL", "cryptography"))
    versions = "; ".join(sorted({each.version for each in measurements}))
    pause = max(each.publisher_pause for each in measurements)
    gap = f"{options.gap:g} ms apart" if options.gap else "back to back"
    loops = options.janus_event_loops or "one a handle, as delivered"
    return f"""
{machine()}. Load average {load} before, {_load()} after. Python {platform.python_version()}, {libraries}; {versions},
ICE-lite, event loops: {loops}. SRTP: {", ".join(profiles)}.
Publishers: VP8 payloads of {clip.PAYLOAD_SIZE} bytes made without an encoder, {clip.PACKETS_PER_SECOND} packets/s each.
{options.rounds} rounds of {options.seconds:g} s, servers in turn, a fresh server each time; a join every
{options.join_interval:g} s; media over {options.address} of this machine. Times in ms.
CPU: user and system time of the server over packets that viewers counted (out) and that publishers sent (in), of all
rounds (least to most of a round).
KiB/viewer: growth of the server's resident set by page, session and stream. Join: from the play request to the first
packet; picture: to the first packet of a key frame. Delay: from the publisher's send to the kernel of the viewer's
machine. Kick: after the one call that ended all viewers. Others' CPU: cores busy with anything else while counting.
A publisher sends a picture every {1000 / clip.FRAMES_PER_SECOND:g} ms, its packets {gap}; the longest pause of one was
{pause:.0f} ms."""


def _load() -> str:
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

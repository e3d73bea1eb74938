"""The other side of the fan-out bench: a server process, its publisher, and viewers that only count.

Every viewer does a real ICE check and a real DTLS handshake on a socket of its own. From then on one loop counts what
came, by `recvmmsg` without copying, so that the sinks cost little beside what is measured. A few viewers, the probes,
decrypt: the publisher writes its clock into each packet, the kernel stamps its arrival at the probe.
"""

import contextlib
import json
import os
import resource
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cffi
import psutil
import trio
from attrs import define, field, frozen

from protocol.webrtc.dtls import DtlsContext
from protocol.webrtc.rtp import HEADER_SIZE
from protocol.webrtc.srtp import SrtpReceiver
from tests.support.webrtc.media_peer import MediaPeer, vp8_delta, vp8_key_frame

ROOT = Path(__file__).resolve().parents[3]
PACKET_SIZE = 1200  # of RTP as viewers get it, before encryption
PROBES = 10
SWEEP = 0.05  # seconds in which every sink is read once
BATCH = 64
JOINING = 50  # viewers that connect at a time
PATIENCE = 30.0
QUIET = 3.0  # seconds without a packet after which those that are missing are lost

_SO_TIMESTAMPNS = 35
_STAMP = struct.Struct("!Q")
_STAMP_AT = 32  # in the RTP packet, behind what makes a key frame

_system = cffi.FFI()
_system.cdef(
    """
    struct msghdr {
        void *msg_name; unsigned int msg_namelen; void *msg_iov; size_t msg_iovlen;
        void *msg_control; size_t msg_controllen; int msg_flags;
    };
    struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
    int recvmmsg(int descriptor, struct mmsghdr *messages, unsigned int count, int flags, void *timeout);
    """
)
_libc: Any = _system.dlopen(None)
_recvmmsg = _libc.recvmmsg
_nothing = _system.new("struct mmsghdr[]", BATCH)


class Server:
    """The measured process."""

    def __init__(self, sender: str, *, cpu: int | None) -> None:
        self.sender = sender
        self.encrypts = sender != "floor"
        command = [sys.executable, "-m", "tests.bench.media.fanout_server", sender]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._of_process = psutil.Process(self._process.pid)
        if cpu is not None:
            self._of_process.cpu_affinity([cpu])
        self.ask("statistics")

    def ask(self, do: str, **arguments: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    @property
    def cpu_time(self) -> float:
        """Seconds, user and system together, by the scheduler's own clock of the process (CPUCLOCK_SCHED)."""
        return time.clock_gettime((~self._process.pid << 3) | 2)

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(self._of_process.memory_info().rss)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


@define(eq=False)
class Probe:
    """A viewer that decrypts."""

    socket: socket.socket
    receiver: SrtpReceiver
    delays: list[float] = field(factory=list)

    def drain(self) -> int:
        """How many came; what they tell goes to `delays`, in seconds."""
        count = 0
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(2048, 64)
            except BlockingIOError:
                return count
            count += 1
            if data[0] < 128:
                continue  # what is left of ICE and DTLS
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
            (sent,) = _STAMP.unpack_from(self.receiver.unprotect(data), _STAMP_AT)
            self.delays.append((seconds * 1_000_000_000 + nanoseconds - sent) / 1e9)


@frozen(kw_only=True)
class Window:
    """What one stretch of time brought. Times in seconds."""

    cpu: float
    wall: float
    forwarded: int
    lost: int
    delays: list[float]

    @property
    def cost(self) -> float:
        """Microseconds of the server's processor for one packet to one viewer."""
        return self.cpu / self.forwarded * 1e6


class Audience:
    """A server with its publisher and its viewers."""

    def __init__(self, server: Server, viewers: int) -> None:
        self.server = server
        self.viewers = viewers
        self.memory_per_viewer = 0
        self._sinks: list[socket.socket] = []
        self._probes: dict[int, Probe] = {}
        self._sequence = 0
        trio.run(self._connect)
        self._received = [0] * viewers
        self._sweep = self._sweeps()
        self._warm_up()

    # -- joining -------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        with trio.fail_after(PATIENCE + self.viewers / 20):
            async with trio.open_nursery() as nursery:
                context = DtlsContext.create()
                self._publisher = MediaPeer(audio=False, context=context)
                self._publisher.accept(self.server.ask("publish", offer=self._publisher.publish_offer()))
                nursery.start_soon(self._publisher.run)
                await self._publisher.connected.wait()
                self._socket = self._publisher.udp.dup()
                before = self.server.memory
                for first in range(0, self.viewers, JOINING):
                    await self._join(nursery, context, first, min(first + JOINING, self.viewers))
                self.memory_per_viewer = (self.server.memory - before) // self.viewers
                nursery.cancel_scope.cancel()
        self.server.ask("collect")

    async def _join(self, nursery: trio.Nursery, context: DtlsContext, first: int, end: int) -> None:
        peers = []
        for _ in range(first, end):
            peer = MediaPeer(audio=False, context=context)
            peer.accept(self.server.ask("play", offer=peer.play_offer(), session=f"viewers {first}"))
            nursery.start_soon(peer.run)
            peers.append(peer)
        for number, peer in enumerate(peers, first):
            await peer.connected.wait()
            self._take(number, peer)

    def _take(self, number: int, peer: MediaPeer) -> None:
        """The socket goes on without its peer."""
        sink = peer.udp.dup()
        self._sinks.append(sink)
        if self.server.encrypts and number % -(-self.viewers // PROBES) == 0:
            assert peer.dtls.keys is not None
            sink.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            self._probes[number] = Probe(sink, SrtpReceiver(peer.dtls.keys))

    def _warm_up(self) -> None:
        """Until every viewer has had its first packet."""
        until = time.monotonic() + PATIENCE
        while min(self._received) == 0:
            if time.monotonic() > until:
                raise TimeoutError(f"{self._received.count(0)} viewers got nothing")
            self._send(vp8_key_frame())
            time.sleep(0.02)
            self._drain_all()
        self._drain_all()

    # -- measuring -----------------------------------------------------------------------------------------------

    def measure(self, *, packets: int, rate: float) -> Window:
        """Publish so many packets at a rate, and wait for the last of them."""
        self._received = [0] * self.viewers
        for probe in self._probes.values():
            probe.delays = []
        cpu, began = self.server.cpu_time, time.perf_counter()
        step = SWEEP / self.viewers
        sent, next_sweep = 0, began
        while sent < packets:
            now = time.perf_counter()
            if now >= began + sent / rate:
                self._send(vp8_delta())
                sent += 1
            elif now >= next_sweep:
                next(self._sweep)
                next_sweep = max(next_sweep + step, now - SWEEP)
            else:
                time.sleep(max(min(began + sent / rate, next_sweep + 20 * step) - now, 0))
        wall = self._settle(packets) - began
        return Window(
            cpu=self.server.cpu_time - cpu,
            wall=wall,
            forwarded=packets * self.viewers,
            lost=packets * self.viewers - sum(self._received),
            delays=sorted(delay for probe in self._probes.values() for delay in probe.delays),
        )

    def close(self) -> None:
        self.server.close()
        for sink in (*self._sinks, self._socket):
            sink.close()

    def _send(self, payload: bytes) -> None:
        """Whatever the payload begins with, then the time, then zeros."""
        self._sequence += 1
        body = payload.ljust(_STAMP_AT - HEADER_SIZE, b"\0") + _STAMP.pack(time.time_ns())
        body = body.ljust(PACKET_SIZE - HEADER_SIZE, b"\0")
        packet = self._publisher.rtp(self._sequence, body, timestamp=self._sequence * 900)
        self._socket.sendto(packet, self._publisher.server)

    def _settle(self, packets: int) -> float:
        """Until every packet is here, or none has come for a while; when the last one came."""
        last = time.perf_counter()
        while min(self._received) < packets and time.perf_counter() - last < QUIET:
            if self._drain_all():
                last = time.perf_counter()
        return last

    def _drain_all(self) -> int:
        return sum(self._drain(number) for number in range(self.viewers))

    def _sweeps(self) -> Iterator[None]:
        while True:
            for number in range(self.viewers):
                self._drain(number)
                yield

    def _drain(self, number: int) -> int:
        if number == 0:
            self._drain_publisher()
        probe = self._probes.get(number)
        count = probe.drain() if probe is not None else count_datagrams(self._sinks[number].fileno())
        self._received[number] += count
        return count

    def _drain_publisher(self) -> None:
        """Feedback from the server, which nobody reads."""
        count_datagrams(self._socket.fileno())


def count_datagrams(descriptor: int) -> int:
    """How many datagrams were there; they are thrown away."""
    total = 0
    while True:
        count: int = _recvmmsg(descriptor, _nothing, BATCH, socket.MSG_DONTWAIT | socket.MSG_TRUNC, _system.NULL)
        total += max(count, 0)
        if count < BATCH:
            return total


def allow_many_sockets() -> None:
    """A few thousand descriptors, if the system lets us."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def load() -> float:
    """The machine's load average over the last minute."""
    return os.getloadavg()[0]

"""What calls cost: pages on one side, sipp on the other, which gives every packet back. `python -m tests.bench.calls`

    --calls N ...     how many at a time, one row each (1, 10, 100)
    --seconds S       of voice in each row

The server is a process of its own; its processor time is read before and after the voice. Pages are WebRTC peers in
this process, 50 packets of PCMU a second each. A packet is lost if a page does not get it back, whoever lost it. The
exit code is 1 if one was, or if a call did not come up or did not end well.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import trio
from attrs import define, field, frozen

from tests.support.calls.page_call import ACCOUNT, PageCall, call
from tests.support.network.ports import unused_port
from tests.support.servers.server_process import ServerProcess, running_server
from tests.support.session.wcs_client import WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

RATE = 50
"""Packets a second each way."""
PAYLOAD = b"\xff" * 160
CALLS_PER_PAGE = 10
WARM_UP, SETTLE = 2.0, 1.0
"""Seconds before the measurement, and until the last packet must be back."""
HEAD = f"{'calls':>5} {'of a core':>9} {'a call':>7} {'us/packet':>9} {'sent':>7} {'back':>7} {'lost':>5} {'load':>5}"


@define(eq=False, kw_only=True)
class CountingPeer(MediaPeer):
    """A page that counts what comes back and does not decrypt it, which would cost more than the rest of it."""

    back: int = field(init=False, default=0)

    def poll(self) -> None:
        """Take all that has arrived: voice begins with 0x80 and one of two types."""
        with contextlib.suppress(BlockingIOError):
            while True:
                data = self.udp.recv(2048)
                if data[0] & 0xC0 == 0x80 and data[1] & 0x7F == 0:
                    self.back += 1
                else:
                    self._take(data)


@frozen
class Row:
    """What one number of calls came to. `cpu`: seconds of the server's."""

    calls: int
    seconds: float
    cpu: float
    sent: int
    back: int

    @property
    def lost(self) -> int:
        return self.sent - self.back

    def text(self) -> str:
        share = self.cpu / self.seconds
        packet = self.cpu / max(1, self.sent + self.back) * 1e6
        return (
            f"{self.calls:5} {share:9.1%} {share / self.calls:7.2%} {packet:9.1f} {self.sent:7} {self.back:7} "
            f"{self.lost:5} {os.getloadavg()[0]:5.1f}"
        )


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--calls", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    print(HEAD)
    lost = 0
    for calls in options.calls:
        with tempfile.TemporaryDirectory() as folder:
            row = trio.run(_measure, Path(folder), calls, options.seconds)
        print(row.text(), flush=True)
        lost += row.lost
    return int(lost > 0)


async def _measure(folder: Path, calls: int, seconds: float) -> Row:
    port = unused_port()
    settings = {
        "sip.servers": f"127.0.0.1:{port}",
        "sip.address": "127.0.0.1",
        "sip.max_calls_per_session": CALLS_PER_PAGE,
        "sip.max_calls_per_account": calls,
        "sip.max_calls_per_minute": calls,
        "ip": "127.0.0.1",
        "port_from": 0,
    }
    with _sipp(folder, port, calls), running_server(folder, settings) as server:
        async with trio.open_nursery() as nursery:
            clients = await _pages(nursery, server, -(-calls // CALLS_PER_PAGE))
            made = [await _up(clients[number // CALLS_PER_PAGE]) for number in range(calls)]
            row = await _voice(server, made, seconds)
            for each in made:
                await each.command("hangup")
                await each.status("finish", "FINISH")
            nursery.cancel_scope.cancel()
        return row


async def _pages(nursery: trio.Nursery, server: ServerProcess, count: int) -> list[WcsClient]:
    clients: list[WcsClient] = []

    async def one(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with wcs_client(server.ws_url(), **ACCOUNT) as client:
            clients.append(client)
            task_status.started()
            await trio.sleep_forever()

    for _ in range(count):
        await nursery.start(one)
    return clients


async def _up(client: WcsClient) -> PageCall:
    """A call with media."""
    made = await call(client, peer=CountingPeer(g711=True, video=None, twcc=False, check_interval=2.5))
    await made.connect()
    await made.status("talk", "ESTABLISHED")
    return made


async def _voice(server: ServerProcess, made: Sequence[PageCall], seconds: float) -> Row:
    await _speak(made, WARM_UP)
    await trio.sleep(SETTLE)
    for each in made:
        _peer(each).back = 0
    before, began = _cpu(server), time.monotonic()
    sent = await _speak(made, seconds)
    cpu, elapsed = _cpu(server) - before, time.monotonic() - began
    await trio.sleep(SETTLE)
    return Row(len(made), elapsed, cpu, sent, sum(_peer(each).back for each in made))


async def _speak(made: Sequence[PageCall], seconds: float) -> int:
    """All say so many seconds of voice, one after the other within each 20 ms as clocks of browsers are."""
    count = int(RATE * seconds)
    began = trio.current_time()
    for number in range(count):
        for place, each in enumerate(made):
            if place % 10 == 0:
                await trio.sleep_until(began + (number + place / len(made)) / RATE)
            each.speak(PAYLOAD)
    await trio.sleep_until(began + seconds)
    return count * len(made)


def _peer(made: PageCall) -> CountingPeer:
    assert isinstance(made.peer, CountingPeer)
    return made.peer


def _cpu(server: ServerProcess) -> float:
    times = psutil.Process(server.pid).cpu_times()
    return times.user + times.system


@contextlib.contextmanager
def _sipp(folder: Path, port: int, calls: int) -> Iterator[None]:
    """A phone that takes so many calls and then ends, for which its exit code must be 0."""
    media = str(unused_port() & ~1)
    command = ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-mi", "127.0.0.1", "-mp", media]
    command += ["-rtp_echo", "-m", str(calls), "-nostdin", "-timeout", "300s", "-timeout_error"]
    with (folder / "sipp.log").open("wb") as log:
        phone = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        yield
        code = phone.wait(60)
        assert code == 0, f"sipp: exit code {code}"
    finally:
        phone.kill()
        phone.wait()


if __name__ == "__main__":
    sys.exit(main())

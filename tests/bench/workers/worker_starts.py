"""What a worker process that loads PyAV costs: started as any program, and forked from one that has loaded it.

    python -m tests.bench.workers.worker_starts [--workers 10]

Shows milliseconds until each is ready, processor time of all, and their memory: RSS, PSS (what is shared counts in
parts) and what is private. The zygote itself is shown apart.
"""

import argparse
import os
import socket
import statistics
import time
from pathlib import Path

import trio

from actors.workers.processes.process import WorkerProcess
from actors.workers.processes.zygote import Zygote

MEMORY = ("Rss", "Pss", "Private_Dirty")
TICKS = os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> dict[str, float]:
    """Megabytes by kind."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    found = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines if line.endswith("kB")}
    return {kind: found[kind] for kind in MEMORY}


def processor_time(pid: int) -> float:
    """Milliseconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS * 1000


async def ready(process: WorkerProcess) -> None:
    events = process.events()
    async for told in events:
        if told["event"] == "ready":
            await events.aclose()  # type: ignore[attr-defined]
            return
    raise RuntimeError("it has ended")


async def measure(count: int, source: Zygote | None, what: str) -> None:
    processes, ends, times = [], [], []
    for _ in range(count):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ends.append(ours)
        began = time.perf_counter()
        with theirs:
            number = theirs.fileno()
            process = await WorkerProcess.start("snapshotter", {"requests": number}, (number,), source)
        await ready(process)
        times.append((time.perf_counter() - began) * 1000)
        processes.append(process)
    sums = [sum(memory_of(process.pid)[kind] for process in processes) / count for kind in MEMORY]
    spent = sum(processor_time(process.pid) for process in processes) / count
    row = (
        f"{what:14} first {times[0]:6.0f} ms, median {statistics.median(times[1:]):6.0f} ms, processor {spent:5.0f} ms"
    )
    print(f"{row}, " + ", ".join(f"{kind} {value:.1f} MB" for kind, value in zip(MEMORY, sums, strict=True)))
    if source is not None and source._process is not None:
        print(f"{'the zygote':14}", memory_of(source._process.pid), f"{processor_time(source._process.pid):.0f} ms")
    for process, end in zip(processes, ends, strict=True):
        end.close()
        await process.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=10)
    count = parser.parse_args().workers
    for _ in range(2):
        await measure(count, None, "started")
        async with trio.open_nursery() as nursery:
            source = Zygote()
            await nursery.start(source.run)
            await measure(count, source, "forked")
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main)

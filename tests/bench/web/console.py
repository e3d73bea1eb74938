"""What the console costs with very many streams: in Chromium, and on the server.

    python -m tests.bench.web.console [--streams 2000] [--seconds 20]

A server of the web application alone, in a process of its own, has streams whose figures change all the time. Chromium
shows them without a graphics card. For each update, once a second, the page is asked how long its scripts ran, and when
the picture was there; beginning with the server's answer. Then the server's own work for one answer is measured, in
processor time. A Markdown table is printed, and the load of the machine.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

import trio
from attrs import asdict, evolve
from playwright.sync_api import Page, sync_playwright

from actors.metrics.overview import Sample
from actors.net.tcp_listeners import open_listener
from actors.node.supervisor import Supervisor
from actors.web.api.console.tables import PageTables, TableQuery
from actors.web.api.server.monitoring import Monitoring
from actors.web.http.server import serve_web
from actors.web.sites import http_listeners
from config.listeners import ListenerKeys
from protocol.access.identity import ANYBODY
from protocol.node.descriptions import StreamDescription, StreamTraffic
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found
from protocol.rest.paging import Page as Rows
from tests.support.browsers.chromium import CHROMIUM, FLAGS
from tests.support.web.stream_world import StreamWorld, stream
from tests.support.web.web_rig import NOW_MS, app_of, messages_to, settings_with

MEASURE = """
() => {
  globalThis.updates = [];
  const later = (then) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = then;
    channel.port2.postMessage(null);
  };
  const original = Response.prototype.json;
  Response.prototype.json = async function () {
    const value = await original.call(this);
    const what = new URL(this.url).pathname;
    const began = performance.now();
    later(() => {
      const scripts = performance.now() - began; // whatever followed from the answer has run
      requestAnimationFrame(() => later(() => updates.push({ what, scripts, painted: performance.now() - began })));
    });
    return value;
  };
}
"""
WARM_UP = 3


class BusyServer:
    """Two minutes of samples, which move on."""

    async def look(self, apps: frozenset[str] | None) -> dict[str, Any]:
        now = int(time.time())
        moments = [
            Sample(
                time=second * 1000, published=2000, played=9000, kbps_in=90_000 + second % 900, kbps_out=400_000,
                loss=second % 7 / 10, rtt=20 + second % 9, hooks=12.0, hook_p95=50.0 + second % 50, loop_p99=4.0,
            )
            for second in range(now - 120, now)
        ]  # fmt: skip
        return {"uptime": now % 100_000, "samples": [asdict(each) for each in moments], "alarms": []}


class BusyWorld(StreamWorld):
    """Every stream has other figures each time it is looked at."""

    def __init__(self, count: int) -> None:
        super().__init__([stream(f"id-{number}", f"stream {number}", width=640, height=480) for number in range(count)])

    async def find(self, query: StreamFilter, page: Rows, *, traffic: bool) -> Found[StreamDescription]:
        found = await super().find(query, page, traffic=traffic)
        if not traffic:
            return found
        now = int(time.monotonic() * 1000)
        figures = StreamTraffic(bitrate_kbps=500 + now % 700, packets=now, lost=now // 90, round_trip_ms=now % 80)
        items = (evolve(each, traffic=figures, audio_codec="OPUS", video_codec="VP8") for each in found.items)
        return Found(total=found.total, items=tuple(items))


async def serve(count: int) -> None:
    """Serve until killed; the port is told on standard output."""
    listener = open_listener("127.0.0.1", 0, keys=ListenerKeys.prefixed("http"), user_timeout=30)
    print(listener.getsockname()[1], flush=True)
    settings = settings_with()
    app = app_of(BusyWorld(count), monitoring=Monitoring(overview=BusyServer()))
    await serve_web(app, http_listeners({"http": listener}, {}, settings), settings, trio.Event())


@contextmanager
def serving(count: int) -> Iterator[int]:
    """The port of a server with so many streams."""
    command = [sys.executable, "-P", "-m", "tests.bench.web.console", "--serve", "--streams", str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."}) as server:
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.kill()


def watch(page: Page, port: int, seconds: float) -> list[dict[str, Any]]:
    """Show the console for a while; the milliseconds of each update after the first ones."""
    page.add_init_script(f"({MEASURE})()")
    page.goto(f"http://127.0.0.1:{port}/#streams")
    page.locator("#streams tbody tr").first.wait_for()
    page.wait_for_timeout(seconds * 1000)
    updates: list[dict[str, Any]] = page.evaluate("updates")
    return updates


def figures(updates: Sequence[dict[str, Any]], what: str, which: str) -> str:
    """Median and maximum of what followed from one kind of answer, without the first ones."""
    values = [update[which] for update in updates if update["what"] == what][WARM_UP:]
    return f"{median(values):.1f} ({max(values):.1f})"


def processor_time(count: int, query: TableQuery, times: int = 20) -> float:
    """Milliseconds of the server for one answer; the median."""
    world, rooms = BusyWorld(count), messages_to(Supervisor()).rooms
    scope: dict[str, Any] = {"type": "http", "state": {"identity": ANYBODY}}

    async def measure() -> list[float]:
        spent = []
        for _ in range(times):
            tables = PageTables(world, rooms, lambda: NOW_MS)  # with no order that is shared for a second
            began = time.thread_time()
            await tables.written(scope, query)
            spent.append((time.thread_time() - began) * 1000)
        return spent

    return median(trio.run(measure))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        trio.run(serve, options.streams)
        return
    print(f"load {os.getloadavg()[0]:.1f}\n\n| {options.streams:,} streams | median (most), ms |\n|---|---|")
    with serving(options.streams) as port, sync_playwright() as runner:
        browser = runner.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        updates = watch(page, port, options.seconds)
        rows = page.locator("#streams tbody tr").count()
        browser.close()
    for what, path in ((f"{rows} rows with a sparkline each", "/page/state"), ("six charts", "/page/overview")):
        print(f"| update of {what}: scripts | {figures(updates, path, 'scripts')} |")
        print(f"| until painted | {figures(updates, path, 'painted')} |")
    for what, query in (
        ("oldest first", TableQuery(tab="streams", page=Rows(limit=60))),
        ("with a search", TableQuery(tab="streams", find="9", page=Rows(limit=60))),
        ("by loss, once a second for all", TableQuery(tab="streams", sort="loss", page=Rows(limit=60))),
    ):
        print(f"| server: one answer, {what} | {processor_time(options.streams, query):.1f} |")
    print(f"\n{len(updates)} updates; load at the end {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

"""What viewers see when the network loses packets: Chromium publishes, and others play, through a bad network.

    python -m tests.bench.media.loss [--seconds 10] [--seed 1]

A relay of our own stands between browsers and server and does the same to all datagrams, whatever they are; connecting
is spared. Upwards is what the publisher sends, and the players' requests; downwards what the players get, and the
server's requests to the publisher. A Markdown table is printed, and the load of the machine. It ends by itself, after
about a minute and a half.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from attrs import frozen
from playwright.sync_api import Browser, sync_playwright

from tests.support.browsers.chromium import CHROMIUM, FLAGS
from tests.support.browsers.sdk_page import SdkPage, SdkStream
from tests.support.browsers.site import serving_site
from tests.support.network.lossy_relay import LossyRelay, Network
from tests.support.servers.server_process import ServerProcess, running_server

SERVER, RELAY = "127.0.0.1", "127.0.0.2"
PLAYERS = 2
SETTLING = 3.0  # seconds in which browsers get used to the network before they are measured
USUAL = Network(delay=0.020, jitter=0.002)
ROUGH = Network(loss=0.05, repeats=0.02, reordered=0.02, delay=0.050, jitter=0.030)

PUBLISH = """
() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
  const context = canvas.getContext("2d");
  const noise = new ImageData(80, 45);
  const grain = Object.assign(document.createElement("canvas"), { width: 80, height: 45 });
  let turn = 0;
  setInterval(() => {
    turn += 1;
    for (let at = 0; at < noise.data.length; at += 4) {
      const shade = Math.random() * 60 + 90 + 60 * Math.sin(at / 900 + turn / 9);
      noise.data.set([shade, shade * 0.8, 255 - shade, 255], at);
    }
    grain.getContext("2d").putImageData(noise, 0, 0);
    context.drawImage(grain, 0, 0, 640, 360);
  }, 40);
  const constraints = { audio: false, video: false, customStream: canvas.captureStream(25) };
  return harness.publish({ name: "news", stripCodecs: "H264,VP9,AV1", constraints });
}
"""
MEASURE = """
async (id) => {
  const reports = [...(await watch.peerOf[id].getStats()).values()];
  const told = harness.eventsOf(id).filter((event) => event.type === "notEnoughBandwidth").length;
  const of = (type) => reports.find((one) => one.type === type && one.kind === "video") ?? {};
  const all = Object.entries({ ...of("outbound-rtp"), ...of("inbound-rtp"), told });
  return Object.fromEntries(all.filter(([, value]) => typeof value === "number"));
}
"""

Figures = dict[str, float]


@frozen(kw_only=True)
class Case:
    """What the network does while it is measured."""

    title: str
    up: Network = USUAL
    down: Network = USUAL


def _losing(share: float) -> Network:
    return Network(loss=share, delay=USUAL.delay, jitter=USUAL.jitter)


CASES = (
    Case(title="no loss"),
    *(Case(title=f"{share:.0%} up", up=_losing(share)) for share in (0.01, 0.05, 0.10)),
    *(Case(title=f"{share:.0%} down", down=_losing(share)) for share in (0.01, 0.05, 0.10)),
    Case(title="2.4 Mbit/s for all players", down=Network(delay=USUAL.delay, capacity=2_400_000)),
    Case(title="both ways 5% lost, 2% twice, 2% reordered, 50 to 80 ms late", up=ROUGH, down=ROUGH),
)

COLUMNS = (
    *("network", "kbit/s", "pictures/s", "freezes", "frozen s", "asked up", "resent up", "never came up"),
    *("lost down", "repaired down", "resent down", "overhead", "key frames asked", "told of it"),
)


class Rig:
    """A server behind a bad network, one publisher and its players."""

    def __init__(self, browser: Browser, site: str, server: ServerProcess, relay: LossyRelay) -> None:
        self._relay = relay
        self._server = server
        pages = [_open_page(browser, site, server) for _ in range(1 + PLAYERS)]
        self._publication = SdkStream(pages[0], "news", pages[0].run(PUBLISH))
        self._publication.wait_for("PUBLISHING")
        self._playbacks = [page.played("news") for page in pages[1:]]

    def measure(self, case: Case, seconds: float) -> str:
        """Let the network do this for so long; a row of the table."""
        self._relay.up.network, self._relay.down.network = case.up, case.down
        time.sleep(SETTLING)
        before, began = self._figures(), time.monotonic()
        time.sleep(seconds)
        after, ended = self._figures(), time.monotonic()
        growth = [_growth(*pair) for pair in zip(before, after, strict=True)]
        return _row(case.title, growth, ended - began)

    def _figures(self) -> list[Figures]:
        """Of the server, the publisher and each player."""
        figures = [self._server_figures()]
        return figures + [stream.page.run(MEASURE, stream.id) for stream in (self._publication, *self._playbacks)]

    def _server_figures(self) -> Figures:
        text = httpx.get(self._server.http_url("/?action=stat"), trust_env=False).text
        media = text.partition("-----Media Stats-----")[2].partition("-----")[0]
        pairs = dict(line.split("=", 1) for line in media.splitlines() if line)
        figures = {key: float(pairs[key]) for key in ("resent", "forwarded")}
        (stream,) = self._server.streams(published=True, display=["metrics"])
        return {**figures, **stream["metrics"]}


def _growth(before: Figures, after: Figures) -> Figures:
    return {key: value - before.get(key, 0) for key, value in after.items() if isinstance(value, int | float)}


def _row(title: str, figures: Sequence[Figures], seconds: float) -> str:
    server, publisher, *players = figures

    def mean(key: str) -> float:
        return sum(player.get(key, 0) for player in players) / len(players)

    values = (
        title,
        f"{publisher['bytesSent'] * 8 / seconds / 1000:.0f}",
        f"{mean('framesDecoded') / seconds:.1f}",
        f"{mean('freezeCount'):.1f}",
        f"{mean('totalFreezesDuration'):.2f}",
        f"{server['VIDEO_NACK']:.0f}",
        f"{publisher.get('retransmittedPacketsSent', 0):.0f}",
        f"{server['VIDEO_LOST']:.0f}",
        f"{mean('packetsLost'):.0f}",
        f"{mean('retransmittedPacketsReceived'):.0f}",
        f"{server['resent'] / len(players):.0f}",
        f"{server['resent'] / server['forwarded']:.1%}",
        f"{publisher.get('pliCount', 0):.0f}",
        f"{mean('told'):.1f}",
    )
    return f"| {' | '.join(values)} |"


def _open_page(browser: Browser, site: str, server: ServerProcess) -> SdkPage:
    page = SdkPage(browser.new_context().new_page())
    page.page.goto(f"{site}/sdk.html")
    page.connect(server.ws_url())
    return page


@contextmanager
def _rig(seed: int) -> Iterator[Rig]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(running_server(folder, {"ip": f"{RELAY}/{SERVER}"}))
        ((_, port),) = ((one.host, one.port) for one in server.addresses["media"])
        relay = stack.enter_context(LossyRelay((RELAY, port), (SERVER, port), seed=seed))
        site = stack.enter_context(serving_site())
        runner = stack.enter_context(sync_playwright())
        browser = runner.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        stack.callback(browser.close)
        yield Rig(browser, site, server, relay)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each case")
    parser.add_argument("--seed", type=int, default=1, help="of the relay's random numbers")
    options = parser.parse_args()
    with _rig(options.seed) as rig:
        print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
        for case in CASES:
            print(rig.measure(case, options.seconds), flush=True)
    print(f"\n{PLAYERS} players, {options.seconds:g} s each, seed {options.seed}, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

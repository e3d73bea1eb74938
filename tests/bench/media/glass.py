"""Glass to glass: how old a picture is when a browser shows it, from the moment in which its time was painted into it.

    python -m tests.bench.media.glass [--seconds 10]

The time is a row of black and white blocks; the player reads it back from each picture that it shows
(`requestVideoFrameCallback`), by the moment for which the browser expects it on the screen. In turn: a canvas, as a
camera would be, by UDP and by TCP (ICE-TCP), a page that is captured by getDisplayMedia, and a camera that is captured
by RTSP: PyAV paints and encodes in real time, GStreamer's RTSP server serves it. All share the machine; without a
graphics card, encoding, decoding and painting are its processors' work.
"""

import argparse
import json
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import httpx
from playwright.sync_api import Browser, sync_playwright

from tests.support.browsers.chromium import CHROMIUM, FLAGS
from tests.support.browsers.sdk_page import SdkPage, SdkStream
from tests.support.browsers.site import serving_site
from tests.support.capture.rtsp_source import launched_camera
from tests.support.servers.server_process import ServerProcess, running_server

WIDTH, HEIGHT, BLOCK, BITS, RATE = 640, 360, 32, 20, 30
SETTLING = 4.0  # seconds until the jitter buffer has found its size
SHARED = (
    "--auto-accept-this-tab-capture",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
)

PAINT = f"""
() => {{
  const canvas = Object.assign(document.createElement("canvas"), {{ width: {WIDTH}, height: {HEIGHT} }});
  canvas.style = "position: fixed; left: 0; top: 0; width: {WIDTH}px; height: {HEIGHT}px";
  document.body.append(canvas);
  const context = canvas.getContext("2d");
  setInterval(() => {{
    const told = Math.floor(performance.timeOrigin + performance.now()) % (1 << {BITS});
    for (let bit = 0; bit < {BITS}; bit += 1) {{
      context.fillStyle = (told >> bit) & 1 ? "white" : "black";
      context.fillRect(bit * {BLOCK}, 0, {BLOCK}, {BLOCK});
    }}
    context.fillStyle = `hsl(${{told / 20}} 80% 50%)`;
    context.fillRect(0, {BLOCK}, {WIDTH}, {HEIGHT});
  }}, {1000 // RATE});
  window.painted = canvas;
}}
"""
PUBLISH = f"""
async ({{ isScreen, ...options }}) => {{
  const video = {{ width: {WIDTH}, height: {HEIGHT}, frameRate: {RATE} }};
  const customStream = isScreen
    ? await navigator.mediaDevices.getDisplayMedia({{ video, preferCurrentTab: true }})
    : window.painted.captureStream({RATE});
  const constraints = {{ audio: false, video: false, customStream }};
  return harness.publish({{ name: "news", stripCodecs: "H264,VP9,AV1", constraints, ...options }});
}}
"""
WATCH = f"""
(id) => {{
  const video = harness.of(id).display.querySelector("video");
  const canvas = Object.assign(document.createElement("canvas"), {{ width: {WIDTH}, height: {BLOCK} }});
  const context = canvas.getContext("2d", {{ willReadFrequently: true }});
  window.ages = [];
  const look = (_, about) => {{
    const scale = video.videoWidth / {WIDTH};
    context.drawImage(video, 0, 0, video.videoWidth, {BLOCK} * scale, 0, 0, {WIDTH}, {BLOCK});
    let told = 0;
    for (let bit = 0; bit < {BITS}; bit += 1) {{
      const [shade] = context.getImageData(bit * {BLOCK} + {BLOCK} / 2, {BLOCK} / 2, 1, 1).data;
      told += (shade > 127) << bit;
    }}
    const shown = Math.floor(performance.timeOrigin + about.expectedDisplayTime);
    window.ages.push((shown - told) & ((1 << {BITS}) - 1));
    video.requestVideoFrameCallback(look);
  }};
  video.requestVideoFrameCallback(look);
}}
"""


def open_page(browser: Browser, site: str, server: ServerProcess) -> SdkPage:
    page = SdkPage(browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}).new_page())
    page.page.goto(f"{site}/sdk.html")
    page.connect(server.ws_url())
    return page


def close(*pages: SdkPage) -> None:
    for page in pages:
        page.page.context.close()  # type: ignore[attr-defined]


def measure(title: str, player: SdkStream, seconds: float) -> None:
    player.sees()
    time.sleep(SETTLING)
    player.page.run(WATCH, player.id)
    time.sleep(seconds)
    ages = sorted(age for age in player.page.run("window.ages") if age < 1 << (BITS - 1))
    middle, most = statistics.median(ages), ages[int(len(ages) * 0.95)]
    print(f"{title:34} {len(ages):4} pictures, p50 {middle:4.0f} ms, p95 {most:4.0f} ms", flush=True)


def published(
    browser: Browser, site: str, server: ServerProcess, title: str, seconds: float, *, screen: bool, **how: str
) -> None:
    publisher, player = (open_page(browser, site, server) for _ in range(2))
    publisher.run(PAINT)
    stream = SdkStream(publisher, "news", publisher.run(PUBLISH, {"isScreen": screen, **how}))
    stream.wait_for("PUBLISHING")
    measure(title, player.play("news", **how), seconds)
    stream.stop()
    close(publisher, player)


def film(port: int) -> None:
    """Paint the time, encode it, and send it as RTP, until killed."""
    with av.open(f"rtp://127.0.0.1:{port}?pkt_size=1300", "w", format="rtp") as target:
        stream = target.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.thread_count = 2 * RATE, 1
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "repeat-headers=1"}
        began, number = time.time(), 0
        while True:
            time.sleep(max(0.0, began + number / RATE - time.time()))
            frame = painted(int(time.time() * 1000) % (1 << BITS), number)
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            target.mux(stream.encode(frame))
            number += 1


def painted(told: int, number: int) -> av.VideoFrame:
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    luma, *chroma = frame.planes
    row = b"".join(bytes([235 if told >> bit & 1 else 16]) * BLOCK for bit in range(BITS))
    rest = bytes([(number * 2) % 200 + 20]) * WIDTH
    pad = bytes(luma.line_size - WIDTH)
    luma.update((row + pad) * BLOCK + (rest + pad) * (HEIGHT - BLOCK))
    for plane in chroma:
        plane.update(bytes([128]) * plane.buffer_size)
    return frame


@contextmanager
def filming() -> Iterator[str]:
    """What GStreamer is to launch, for a camera that films the time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    camera = multiprocessing.get_context("spawn").Process(target=film, args=(port,))
    camera.start()
    caps = "application/x-rtp,media=video,clock-rate=90000,encoding-name=H264"
    try:
        yield f'( udpsrc address=127.0.0.1 port={port} caps="{caps}" ! rtph264depay ! rtph264pay name=pay0 pt=96 )'
    finally:
        camera.kill()
        camera.join()


def captured(browser: Browser, site: str, server: ServerProcess, folder: Path, seconds: float) -> None:
    with filming() as launch, launched_camera(launch, folder) as camera:
        wanted = {"uri": camera.url, "toStream": "lobby"}
        httpx.post(server.http_url("/rest-api/rtsp/startup"), json=wanted, timeout=60).raise_for_status()
        for title, how in (("captured by RTSP, played by UDP", {}), ("captured, played by TCP", {"transport": "TCP"})):
            page = open_page(browser, site, server)
            measure(title, page.play("lobby", **how), seconds)
            close(page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as name, serving_site() as site, sync_playwright() as runner:
        folder = Path(name)
        flags = [flag for flag in FLAGS if "-fake-" not in flag]  # else the screen is an invented one
        browser = runner.chromium.launch(executable_path=CHROMIUM, headless=True, args=[*flags, *SHARED])
        with running_server(folder, {"ip": "127.0.0.1"}) as server:
            published(browser, site, server, "camera, by UDP", seconds, screen=False)
            published(browser, site, server, "camera, by TCP both ways", seconds, screen=False, transport="TCP")
            published(browser, site, server, "screen (getDisplayMedia), by UDP", seconds, screen=True)
            captured(browser, site, server, folder, seconds)
        browser.close()
    print(json.dumps({"load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
